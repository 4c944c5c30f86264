"use strict";

// What the pages share around their viewers: opening one, the toolbar, names at the pointer.

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function count(value) {
  return value.toLocaleString("en-US");
}

// Rows of a camera's numbers: what they mean, and the number with its unit.
function cameraNumbers(camera) {
  const rows = [["Points seen", count(camera.observations)]];
  if (camera.keypoints) rows.push(["Keypoints", count(camera.keypoints)]);
  if (camera.error_px !== null) rows.push(["Mean error of its points", `${camera.error_px.toFixed(2)} px`]);
  if (camera.track !== null) rows.push(["Mean track length", camera.track.toFixed(1)]);
  if (camera.pairs !== null) rows.push(["Verified pairs", count(camera.pairs)]);
  rows.push(["Focal length", `${count(camera.focal_px)} px`], ["Image", `${camera.size[0]} × ${camera.size[1]}`]);
  return rows;
}

// Turns the still picture of a stage into a viewer; null, with a word about it, where that is not possible.
function openStage(stage, scene) {
  const canvas = stage.querySelector("canvas");
  const tip = stage.querySelector(".tip");
  canvas.hidden = false;
  let viewer;
  try {
    viewer = new MapViewer(canvas, scene);
  } catch (error) {
    canvas.hidden = true;
    const trouble = stage.querySelector(".trouble");
    trouble.hidden = false;
    trouble.title = error.message;
    return null;
  }
  stage.classList.add("live");
  const place = () => {
    const index = viewer.hovered;
    tip.hidden = index < 0;
    if (index < 0) return;
    const camera = viewer.scene.cameras[index];
    tip.replaceChildren(element("strong", "", camera.name), ` ${count(camera.observations)} points`);
    const at = viewer.onCanvas(camera.center);
    tip.hidden = at === null;
    if (at === null) return;
    tip.style.left = `${Math.max(4, Math.min(at.x + 12, canvas.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(at.y + 12, canvas.clientHeight - tip.offsetHeight - 4))}px`;
  };
  viewer.events.addEventListener("hover", place);
  viewer.events.addEventListener("view", place);
  return viewer;
}

// Lets one toolbar steer all viewers.
function bindToolbar(viewers) {
  for (const choice of document.querySelectorAll("input[name=coloring]")) {
    const apply = () => {
      if (!choice.checked) return;
      for (const viewer of viewers) {
        viewer.setColoring(choice.value);
        showRamp(viewer, choice.value);
      }
    };
    choice.addEventListener("change", apply);
    for (const viewer of viewers) viewer.events.addEventListener("scene", apply);
    apply();
  }
  const size = document.getElementById("point-size");
  const resize = () => viewers.forEach((viewer) => viewer.setPointSize(Number(size.value)));
  size.addEventListener("input", resize);
  resize();
  for (const box of document.querySelectorAll("input[data-part]")) {
    const apply = () => viewers.forEach((viewer) => viewer.setVisible(box.dataset.part, box.checked));
    box.addEventListener("change", apply);
    apply();
  }
  document.getElementById("reset").addEventListener("click", () => viewers.forEach((viewer) => viewer.resetView()));
}

function showRamp(viewer, coloring) {
  const ramp = viewer.canvas.parentElement.querySelector(".ramp");
  ramp.hidden = coloring === "photo";
  if (ramp.hidden) return;
  const [low, high] = viewer.ranges[coloring];
  const steps = viewer.scene.points.error_steps_per_px;
  const told = coloring === "track" ? (value) => `${value}` : (value) => (value / steps).toFixed(1);
  ramp.querySelector(".low").textContent = told(low);
  ramp.querySelector(".high").textContent = `${told(high)} ${coloring === "track" ? "images" : "px"}`;
}

function bindMatchSwitches() {
  for (const box of document.querySelectorAll("input[data-lines]")) {
    box.addEventListener("change", () => {
      for (const lines of document.querySelectorAll(`.matches .${box.dataset.lines}`)) {
        lines.classList.toggle("off", !box.checked);
      }
    });
  }
}

function bindCopy() {
  const copy = document.getElementById("copy");
  copy?.addEventListener("click", async () => {
    const command = document.getElementById("command");
    try {
      await navigator.clipboard.writeText(command.textContent);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(command);
      copy.textContent = "Selected";
    }
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
}
