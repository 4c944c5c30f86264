"use strict";

const scenes = JSON.parse(document.getElementById("scenes").textContent);
const details = document.getElementById("details");

function start() {
  const articles = [...document.querySelectorAll(".one:not(.failed)")];
  const names = articles.map((article) => article.querySelector("h2").textContent);
  const viewers = articles.map((article, i) => openStage(article.querySelector(".stage"), scenes[i]));
  const live = viewers.filter((viewer) => viewer);
  if (!live.length) return;
  bindToolbar(live);
  const indexByName = scenes.map((scene) => new Map(scene.cameras.map((camera, index) => [camera.name, index])));
  const everywhere = (source, action) => {
    viewers.forEach((viewer, i) => {
      if (viewer && viewer !== source) action(viewer, i);
    });
  };
  let busy = false;
  viewers.forEach((viewer, i) => {
    if (!viewer) return;
    viewer.events.addEventListener("view", () => everywhere(viewer, (other) => other.setView(viewer.view)));
    for (const kind of ["select", "hover"]) {
      viewer.events.addEventListener(kind, (event) => {
        if (busy) return;
        busy = true;
        const name = scenes[i].cameras[event.detail.index]?.name;
        everywhere(viewer, (other, j) => other[kind](indexByName[j].get(name) ?? -1));
        if (kind === "select") showCamera(name, names, indexByName);
        busy = false;
      });
    }
  });
}

// One camera under every map that holds it.
function showCamera(name, names, indexByName) {
  if (name === undefined) {
    details.replaceChildren();
    return;
  }
  const columns = scenes.map((scene, i) => scene.cameras[indexByName[i].get(name)]);
  const known = columns.filter((camera) => camera).map((camera) => new Map(cameraNumbers(camera)));
  const meanings = [...new Set(known.flatMap((rows) => [...rows.keys()]))];
  const table = element("table", "versus");
  const head = table.createTHead().insertRow();
  head.append(element("td"));
  for (const arm of names) {
    const cell = element("th", "", arm);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  for (const meaning of meanings) {
    const row = body.insertRow();
    const title = element("th", "", meaning);
    title.scope = "row";
    row.append(title);
    for (const camera of columns) {
      row.append(element("td", "", camera ? new Map(cameraNumbers(camera)).get(meaning) : "left out"));
    }
  }
  details.replaceChildren(element("h3", "", name), table);
}

bindCopy();
bindMatchSwitches();
start();
document.documentElement.dataset.ready = "true";
