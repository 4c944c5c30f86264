"use strict";

// Asks the server again and again how far the run is, and shows the map as it grows.

const POLL_MS = 700;
const MISSES_UNTIL_TOLD = 4;

let viewer = null;
let cameras = null;
let seen = 0;
let misses = 0;

function timeLeft(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s left`;
  return `${Math.round(seconds / 60)} min left`;
}

function showStage(stage) {
  const bar = document.getElementById("bar");
  document.getElementById("stage").textContent = stage ? stage.name : "Working";
  const told = [];
  if (stage?.total) told.push(`${count(stage.done)} of ${count(stage.total)} ${stage.unit}`);
  if (stage && stage.seconds_left !== null && stage.done < stage.total) told.push(timeLeft(stage.seconds_left));
  document.getElementById("count").textContent = told.join(", ");
  if (stage?.total) [bar.max, bar.value] = [stage.total, stage.done];
  else bar.removeAttribute("value");
}

function showNumbers(numbers) {
  const list = document.getElementById("numbers");
  list.hidden = false;
  list.replaceChildren(
    ...numbers.map(([value, of, meaning]) => {
      const box = element("div");
      const number = element("dd", "", value);
      if (of) number.append(element("small", "", ` ${of}`));
      box.append(element("dt", "", meaning), number);
      return box;
    }),
  );
}

function showMap(scene) {
  if (viewer) {
    viewer.setScene(scene);
    cameras.fill();
    return;
  }
  viewer = openStage(document.querySelector(".stage"), scene);
  if (!viewer) return;
  bindToolbar([viewer]);
  cameras = new CameraList(viewer);
  cameras.fill();
}

function show(state) {
  if (state.finished) {
    location.reload();
    return;
  }
  showStage(state.stage);
  document.getElementById("lines").replaceChildren(...state.lines.map((line) => element("li", "", line)));
  if (state.scene) {
    seen = state.version;
    showNumbers(state.numbers);
    showMap(state.scene);
    document.documentElement.dataset.version = state.version;
  }
}

async function poll() {
  try {
    const answer = await fetch(`/state?seen=${seen}`, { cache: "no-store" });
    show(await answer.json());
    misses = 0;
  } catch {
    misses += 1;
    if (misses === MISSES_UNTIL_TOLD) {
      document.getElementById("stage").textContent = "The run has ended.";
      document.getElementById("count").textContent = "The terminal says more; this page shows how far the map was.";
      document.getElementById("bar").hidden = true;
    }
  }
  setTimeout(poll, POLL_MS);
}

poll();
document.documentElement.dataset.ready = "true";
