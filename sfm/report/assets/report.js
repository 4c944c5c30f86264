"use strict";

const scene = JSON.parse(document.getElementById("scene").textContent);
const stage = document.querySelector(".stage");
const details = document.getElementById("details");
const buttons = [...document.querySelectorAll("#cameras button")];

function start() {
  const viewer = openStage(stage, scene);
  if (!viewer) return;
  bindToolbar([viewer]);
  viewer.events.addEventListener("select", (event) => showCamera(event.detail.index));
  buttons.forEach((button, index) => {
    button.addEventListener("click", () => viewer.select(viewer.selected === index ? -1 : index));
    button.addEventListener("mouseenter", () => viewer.hover(index));
    button.addEventListener("mouseleave", () => viewer.hover(-1));
  });
  const byName = new Map(scene.cameras.map((camera, index) => [camera.name, index]));
  for (const node of document.querySelectorAll(".graph .node")) {
    const index = byName.get(node.dataset.name);
    if (index === undefined) continue;
    node.addEventListener("click", () => {
      viewer.select(index);
      stage.scrollIntoView({ block: "center", behavior: "smooth" });
    });
    node.addEventListener("mouseenter", () => viewer.hover(index));
    node.addEventListener("mouseleave", () => viewer.hover(-1));
  }
}

function showCamera(index) {
  buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === index)));
  for (const node of document.querySelectorAll(".graph .node")) {
    node.classList.toggle("chosen", index >= 0 && node.dataset.name === scene.cameras[index].name);
  }
  if (index < 0) {
    details.replaceChildren(element("p", "lede", "Choose a camera in the map or in the list."));
    return;
  }
  const list = buttons[index].closest("ol");
  const box = buttons[index].getBoundingClientRect();
  const frame = list.getBoundingClientRect();
  if (box.top < frame.top || box.bottom > frame.bottom) {
    list.scrollTop += box.top - frame.top - frame.height / 2;
  }
  const numbers = element("dl", "camera");
  for (const [meaning, value] of cameraNumbers(scene.cameras[index])) {
    numbers.append(element("dt", "", meaning), element("dd", "", value));
  }
  details.replaceChildren(element("h3", "", scene.cameras[index].name), numbers);
}

bindCopy();
bindMatchSwitches();
start();
document.documentElement.dataset.ready = "true";
