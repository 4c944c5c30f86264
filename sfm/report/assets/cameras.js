"use strict";

// The list of cameras beside a viewer, the numbers of the chosen one, and the nodes of the view graph.
class CameraList {
  constructor(viewer) {
    this.viewer = viewer;
    this.list = document.getElementById("cameras");
    this.details = document.getElementById("details");
    this.nodes = [...document.querySelectorAll(".graph .node")];
    viewer.events.addEventListener("select", (event) => this.show(event.detail.index));
    this.bind();
    this.nodes.forEach((node) => this.bindNode(node));
  }

  get cameras() {
    return this.viewer.scene.cameras;
  }

  // Fills the list anew, for a map that has grown.
  fill() {
    const top = this.list.scrollTop;
    this.list.replaceChildren(
      ...this.cameras.map((camera) => {
        const button = element("button");
        button.type = "button";
        button.append(element("span", "", camera.name), element("small", "", count(camera.observations)));
        const item = element("li");
        item.append(button);
        return item;
      }),
    );
    this.list.scrollTop = top;
    this.list.closest("details").querySelector("summary").textContent = `${this.cameras.length} cameras`;
    this.bind();
    this.show(this.viewer.selected);
  }

  bind() {
    const { viewer } = this;
    this.buttons = [...this.list.querySelectorAll("button")];
    this.buttons.forEach((button, index) => {
      button.addEventListener("click", () => viewer.select(viewer.selected === index ? -1 : index));
      button.addEventListener("mouseenter", () => viewer.hover(index));
      button.addEventListener("mouseleave", () => viewer.hover(-1));
    });
  }

  bindNode(node) {
    const { viewer } = this;
    const index = this.cameras.findIndex((camera) => camera.name === node.dataset.name);
    if (index < 0) return;
    node.addEventListener("click", () => {
      viewer.select(index);
      viewer.canvas.scrollIntoView({ block: "center", behavior: "smooth" });
    });
    node.addEventListener("mouseenter", () => viewer.hover(index));
    node.addEventListener("mouseleave", () => viewer.hover(-1));
  }

  show(index) {
    const camera = this.cameras[index];
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === index)));
    for (const node of this.nodes) node.classList.toggle("chosen", node.dataset.name === camera?.name);
    if (!camera) {
      this.details.replaceChildren(element("p", "lede", "Choose a camera in the map or in the list."));
      return;
    }
    const box = this.buttons[index].getBoundingClientRect();
    const frame = this.list.getBoundingClientRect();
    if (box.top < frame.top || box.bottom > frame.bottom) {
      this.list.scrollTop += box.top - frame.top - frame.height / 2;
    }
    const numbers = element("dl", "camera");
    for (const [meaning, value] of cameraNumbers(camera)) {
      numbers.append(element("dt", "", meaning), element("dd", "", value));
    }
    this.details.replaceChildren(element("h3", "", camera.name), numbers);
  }
}
