"use strict";

const viewer = openStage(
  document.querySelector(".stage"),
  JSON.parse(document.getElementById("scene").textContent),
);
if (viewer) {
  bindToolbar([viewer]);
  new CameraList(viewer);
}
bindCopy();
bindMatchSwitches();
document.documentElement.dataset.ready = "true";
