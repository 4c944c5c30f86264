"use strict";

// A small viewer of sparse maps: points, camera path and frusta in WebGL 2, turned with mouse, touch or keys.
// Coordinates are the scene's own, relative to its origin; vectors are plain arrays of three numbers.

const vec = {
  add: (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]],
  sub: (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]],
  scale: (a, s) => [a[0] * s, a[1] * s, a[2] * s],
  dot: (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2],
  cross: (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]],
  length: (a) => Math.hypot(a[0], a[1], a[2]),
  unit: (a) => vec.scale(a, 1 / (Math.hypot(a[0], a[1], a[2]) || 1)),
};

function decode(base64, Type) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Type(bytes.buffer);
}

const POINT_VERTEX = `#version 300 es
in vec3 position;
in vec3 rgb;
in float track;
in float error;
in float seen;
uniform mat4 view;
uniform mat4 projection;
uniform float size;
uniform float dimmed;
uniform int coloring;
uniform vec2 trackRange;
uniform vec2 errorRange;
out vec3 color;

// Dark violet over teal to pale yellow: even steps in lightness, readable without colour vision.
vec3 ramp(float t) {
  t = clamp(t, 0.0, 1.0);
  vec3 a = vec3(0.33, 0.20, 0.55), b = vec3(0.17, 0.48, 0.60), c = vec3(0.30, 0.74, 0.48), d = vec3(0.98, 0.91, 0.35);
  return t < 0.333 ? mix(a, b, t * 3.0) : t < 0.667 ? mix(b, c, t * 3.0 - 1.0) : mix(c, d, t * 3.0 - 2.0);
}

void main() {
  vec4 eye = view * vec4(position, 1.0);
  gl_Position = projection * eye;
  gl_PointSize = clamp(size / max(gl_Position.w, 1e-6), 1.5, 40.0);
  if (coloring == 0) color = rgb;
  else if (coloring == 1) color = ramp((track - trackRange.x) / (trackRange.y - trackRange.x));
  else color = ramp((error - errorRange.x) / (errorRange.y - errorRange.x));
  if (dimmed > 0.5) {
    if (seen > 0.5) { gl_PointSize *= 1.35; }
    else color = mix(color, vec3(0.09, 0.1, 0.11), 0.72);
  }
}`;

const POINT_FRAGMENT = `#version 300 es
precision mediump float;
in vec3 color;
out vec4 pixel;
void main() {
  vec2 off = gl_PointCoord * 2.0 - 1.0;
  if (dot(off, off) > 1.0) discard;
  pixel = vec4(color, 1.0);
}`;

// WebGL draws lines one pixel wide: each segment is a strip of two triangles, widened on the screen.
const LINE_VERTEX = `#version 300 es
in vec3 start;
in vec3 end;
in vec4 color;
in float width;
uniform mat4 view;
uniform mat4 projection;
uniform vec2 viewport;
uniform float near;
out vec4 tint;
void main() {
  vec4 a = view * vec4(start, 1.0), b = view * vec4(end, 1.0);
  if (a.z > -near && b.z < -near) a = mix(a, b, (-near - a.z) / (b.z - a.z));
  if (b.z > -near && a.z < -near) b = mix(b, a, (-near - b.z) / (a.z - b.z));
  vec4 p = projection * a, q = projection * b;
  vec2 along = (q.xy / q.w - p.xy / p.w) * viewport;
  along = length(along) > 0.0 ? normalize(along) : vec2(1.0, 0.0);
  bool atEnd = (gl_VertexID & 2) != 0;
  float side = (gl_VertexID & 1) != 0 ? 1.0 : -1.0;
  gl_Position = atEnd ? q : p;
  // Rounding the ends a little closes the gaps at the corners of a path.
  vec2 offset = vec2(-along.y, along.x) * side + along * (atEnd ? 0.4 : -0.4);
  gl_Position.xy += offset * width / viewport * gl_Position.w;
  gl_Position.z -= 1e-4 * gl_Position.w;
  tint = color;
}`;

const LINE_FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint;
out vec4 pixel;
void main() { pixel = tint; }`;

const PATH_COLOR = [0.91, 0.23, 0.18, 1];
const FRUSTUM_COLOR = [0.91, 0.36, 0.3, 0.75];
const HOVER_COLOR = [1, 0.8, 0.45, 1];
const SELECTED_COLOR = [1, 0.87, 0.25, 1];
const BACKGROUND = [0.071, 0.078, 0.09];
const FLOATS_A_SEGMENT = 11;
const PICK_RADIUS_PX = 22;
const MAX_PITCH = 1.55;
// While the view moves, as many points are drawn as the machine manages in this time.
const FRAME_BUDGET_MS = 30;
const STILL_AFTER_MS = 180;
const MIN_MOVING_POINTS = 15000;

class MapViewer {
  // `canvas` shows `scene`, made by scene.py. Events: `select` and `hover` with detail.index (-1: none), `view`.
  constructor(canvas, scene) {
    this.canvas = canvas;
    this.events = new EventTarget();
    this.coloring = "photo";
    this.pointSize = 1;
    this.showPath = true;
    this.showFrusta = true;
    this.selected = -1;
    this.hovered = -1;
    this.movingCount = Infinity;
    this.frameMs = 0;
    this.viewIsChosen = false;
    this.gl = canvas.getContext("webgl2", { antialias: true, powerPreference: "high-performance" });
    if (!this.gl) throw new Error("WebGL 2 is not available");
    this.readScene(scene);
    this.prepare();
    this.resetView();
    this.listen();
  }

  readScene(scene) {
    this.scene = scene;
    if (!this.viewIsChosen) {
      this.up = vec.unit(scene.up);
      // Two horizontal axes to count the turn from.
      const helper = Math.abs(this.up[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0];
      this.east = vec.unit(vec.cross(this.up, helper));
      this.north = vec.cross(this.up, this.east);
    }
    this.points = {
      count: scene.points.shown,
      position: decode(scene.points.xyz, Float32Array),
      rgb: decode(scene.points.rgb, Uint8Array),
      track: decode(scene.points.track, Uint8Array),
      error: decode(scene.points.error, Uint8Array),
      seen: new Uint8Array(scene.points.shown),
    };
    this.ranges = { track: [2, quantile(this.points.track, 0.95)], error: [0, quantile(this.points.error, 0.95)] };
    for (const range of Object.values(this.ranges)) if (range[1] <= range[0]) range[1] = range[0] + 1;
    this.seenRows = decode(scene.seen.rows, Uint32Array);
    this.seenStart = [0];
    for (const count of scene.seen.counts) this.seenStart.push(this.seenStart.at(-1) + count);
  }

  // -- what is shown -------------------------------------------------------------------------------------

  // Takes a later state of the same map. A view that somebody has chosen stays, and so does the chosen camera.
  setScene(scene) {
    const moved = vec.sub(this.scene.origin, scene.origin);
    const chosen = this.scene.cameras[this.selected]?.name;
    this.selected = this.hovered = -1;
    this.dimmed = false;
    this.readScene(scene);
    this.uploadPoints();
    this.updateLines();
    if (this.viewIsChosen) this.target = vec.add(this.target, moved);
    else this.resetView();
    this.select(scene.cameras.findIndex((camera) => camera.name === chosen));
    this.redraw();
    this.events.dispatchEvent(new Event("scene"));
  }

  setColoring(coloring) {
    this.coloring = coloring;
    this.redraw();
  }

  setPointSize(factor) {
    this.pointSize = factor;
    this.redraw();
  }

  setVisible(part, visible) {
    this[part === "path" ? "showPath" : "showFrusta"] = visible;
    this.updateLines();
    this.redraw();
  }

  select(index) {
    if (index === this.selected) return;
    this.selected = index;
    this.points.seen.fill(0);
    if (index >= 0) {
      const rows = this.seenRows.subarray(this.seenStart[index], this.seenStart[index + 1]);
      for (const row of rows) this.points.seen[row] = 1;
      this.dimmed = rows.length > 0;
    } else this.dimmed = false;
    const gl = this.gl;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.seenBuffer);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, this.points.seen);
    this.updateLines();
    this.redraw();
    this.events.dispatchEvent(new CustomEvent("select", { detail: { index } }));
  }

  hover(index) {
    if (index === this.hovered) return;
    this.hovered = index;
    this.updateLines();
    this.redraw();
    this.events.dispatchEvent(new CustomEvent("hover", { detail: { index } }));
  }

  // -- where it is seen from -----------------------------------------------------------------------------

  get view() {
    return { target: [...this.target], yaw: this.yaw, pitch: this.pitch, distance: this.distance };
  }

  // Taking over another viewer's view tells nobody, or two linked viewers would answer each other for ever.
  setView(view) {
    Object.assign(this, { ...view, target: [...view.target] });
    this.moving();
    this.redraw();
  }

  resetView() {
    this.viewIsChosen = false;
    const aspect = this.canvas.clientWidth / Math.max(this.canvas.clientHeight, 1);
    const fitting = this.scene.views.filter((view) => view.aspect <= aspect);
    const chosen = fitting.length ? fitting.at(-1) : this.scene.views[0];
    const back = vec.sub(chosen.eye, chosen.target);
    this.target = [...chosen.target];
    this.distance = vec.length(back);
    this.startDistance = this.distance;
    this.pitch = Math.asin(Math.max(-1, Math.min(1, vec.dot(back, this.up) / this.distance)));
    this.yaw = Math.atan2(vec.dot(back, this.north), vec.dot(back, this.east));
    this.viewMoved();
  }

  viewMoved() {
    this.moving();
    this.redraw();
    this.events.dispatchEvent(new Event("view"));
  }

  // Notes that the view moves; all points are drawn again once it has come to rest.
  moving() {
    clearTimeout(this.rest);
    this.isMoving = true;
    this.rest = setTimeout(() => {
      this.isMoving = false;
      this.redraw();
    }, STILL_AFTER_MS + 2 * Math.min(this.frameMs, 1000));
  }

  // How many of the points to draw now; they stand in random order, so the first ones are an even choice.
  countToDraw() {
    return this.isMoving ? Math.min(this.points.count, this.movingCount) : this.points.count;
  }

  // Learns from the time a frame took how many points the next one may have while the view moves.
  measure(drawn) {
    const { gl } = this;
    if (this.measuring || this.points.count <= MIN_MOVING_POINTS) return;
    this.measuring = true;
    const start = performance.now();
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    const poll = () => {
      if (gl.clientWaitSync(fence, 0, 0) === gl.TIMEOUT_EXPIRED) {
        setTimeout(poll, 4);
        return;
      }
      gl.deleteSync(fence);
      this.measuring = false;
      this.frameMs = performance.now() - start;
      const affordable = drawn * Math.min(FRAME_BUDGET_MS / Math.max(this.frameMs, 1), 1.2);
      this.movingCount = Math.round(Math.max(affordable, MIN_MOVING_POINTS));
    };
    setTimeout(poll, 4);
  }

  // The unit vectors right, above and behind of the observer.
  axes() {
    const flat = vec.add(vec.scale(this.east, Math.cos(this.yaw)), vec.scale(this.north, Math.sin(this.yaw)));
    const behind = vec.add(vec.scale(flat, Math.cos(this.pitch)), vec.scale(this.up, Math.sin(this.pitch)));
    const right = vec.unit(vec.cross(this.up, behind));
    return { right, above: vec.cross(behind, right), behind };
  }

  orbit(dx, dy) {
    this.viewIsChosen = true;
    this.yaw -= dx * 0.006;
    this.pitch = Math.max(-MAX_PITCH, Math.min(MAX_PITCH, this.pitch + dy * 0.006));
    this.viewMoved();
  }

  pan(dx, dy) {
    this.viewIsChosen = true;
    const { right, above } = this.axes();
    const unit = (2 * this.distance * this.tangent) / this.canvas.clientHeight;
    this.target = vec.add(this.target, vec.add(vec.scale(right, -dx * unit), vec.scale(above, dy * unit)));
    this.viewMoved();
  }

  // Zoom by `factor`; what is under the place (x, y) of the canvas stays there.
  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    this.viewIsChosen = true;
    const { right, above } = this.axes();
    const unit = (2 * this.distance * this.tangent) / this.canvas.clientHeight;
    const shift = vec.add(
      vec.scale(right, (x - this.canvas.clientWidth / 2) * unit),
      vec.scale(above, (this.canvas.clientHeight / 2 - y) * unit),
    );
    this.target = vec.add(this.target, vec.scale(shift, 1 - factor));
    this.distance *= factor;
    this.viewMoved();
  }

  get tangent() {
    return Math.tan((this.scene.fov_deg * Math.PI) / 360);
  }

  matrices() {
    const { right, above, behind } = this.axes();
    const eye = vec.add(this.target, vec.scale(behind, this.distance));
    const near = this.distance * 0.02;
    const far = this.distance * 400;
    const f = 1 / this.tangent;
    const aspect = this.canvas.width / this.canvas.height;
    return {
      near,
      view: new Float32Array([
        right[0], above[0], behind[0], 0,
        right[1], above[1], behind[1], 0,
        right[2], above[2], behind[2], 0,
        -vec.dot(right, eye), -vec.dot(above, eye), -vec.dot(behind, eye), 1,
      ]),
      projection: new Float32Array([
        f / aspect, 0, 0, 0,
        0, f, 0, 0,
        0, 0, (far + near) / (near - far), -1,
        0, 0, (2 * far * near) / (near - far), 0,
      ]),
    };
  }

  // Where on the canvas a place of the map is, in CSS pixels; null if it is behind the observer.
  onCanvas(place) {
    const { right, above, behind } = this.axes();
    const from = vec.sub(place, vec.add(this.target, vec.scale(behind, this.distance)));
    const depth = -vec.dot(from, behind);
    if (depth <= 0) return null;
    const scale = this.canvas.clientHeight / 2 / this.tangent / depth;
    return {
      x: this.canvas.clientWidth / 2 + vec.dot(from, right) * scale,
      y: this.canvas.clientHeight / 2 - vec.dot(from, above) * scale,
      depth,
    };
  }

  // The camera whose frustum is drawn nearest to (x, y), -1 if none is close.
  cameraAt(x, y) {
    let best = -1;
    let bestDistance = PICK_RADIUS_PX;
    this.scene.cameras.forEach((camera, index) => {
      const middle = vec.scale(camera.corners.reduce(vec.add), 0.25);
      for (const place of [camera.center, vec.scale(vec.add(camera.center, middle), 0.5), middle]) {
        const seen = this.onCanvas(place);
        const distance = seen ? Math.hypot(seen.x - x, seen.y - y) : Infinity;
        if (distance < bestDistance) [best, bestDistance] = [index, distance];
      }
    });
    return best;
  }

  // -- drawing -------------------------------------------------------------------------------------------

  prepare() {
    const gl = this.gl;
    this.pointProgram = link(gl, POINT_VERTEX, POINT_FRAGMENT);
    this.lineProgram = link(gl, LINE_VERTEX, LINE_FRAGMENT);
    this.lineArray = gl.createVertexArray();
    gl.bindVertexArray(this.lineArray);
    this.lineBuffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.lineBuffer);
    let offset = 0;
    for (const [name, size] of [["start", 3], ["end", 3], ["color", 4], ["width", 1]]) {
      const location = gl.getAttribLocation(this.lineProgram, name);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, size, gl.FLOAT, false, FLOATS_A_SEGMENT * 4, offset * 4);
      gl.vertexAttribDivisor(location, 1);
      offset += size;
    }
    gl.bindVertexArray(null);
    this.pointBuffers = [];
    this.uploadPoints();
    this.updateLines();
  }

  uploadPoints() {
    const gl = this.gl;
    if (this.pointBuffers.length) gl.deleteVertexArray(this.pointArray);
    this.pointBuffers.forEach((buffer) => gl.deleteBuffer(buffer));
    this.pointArray = gl.createVertexArray();
    gl.bindVertexArray(this.pointArray);
    const attribute = (name, data, size, type, normalized) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
      const location = gl.getAttribLocation(this.pointProgram, name);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, size, type, normalized, 0, 0);
      return buffer;
    };
    this.seenBuffer = attribute("seen", this.points.seen, 1, gl.UNSIGNED_BYTE, false);
    this.pointBuffers = [
      attribute("position", this.points.position, 3, gl.FLOAT, false),
      attribute("rgb", this.points.rgb, 3, gl.UNSIGNED_BYTE, true),
      attribute("track", this.points.track, 1, gl.UNSIGNED_BYTE, false),
      attribute("error", this.points.error, 1, gl.UNSIGNED_BYTE, false),
      this.seenBuffer,
    ];
    gl.bindVertexArray(null);
  }

  updateLines() {
    const segments = [];
    const line = (a, b, color, width) => segments.push(...a, ...b, ...color, width);
    const frustum = (camera, color, width) => {
      camera.corners.forEach((corner, i) => {
        line(camera.center, corner, color, width);
        line(corner, camera.corners[(i + 1) % 4], color, width);
      });
    };
    const { cameras, paths } = this.scene;
    if (this.showFrusta) cameras.forEach((camera) => frustum(camera, FRUSTUM_COLOR, 1.2));
    if (this.showPath) {
      let first = 0;
      for (const count of paths) {
        for (let i = first + 1; i < first + count; i++) line(cameras[i - 1].center, cameras[i].center, PATH_COLOR, 3);
        first += count;
      }
    }
    if (this.hovered >= 0 && this.hovered !== this.selected) frustum(cameras[this.hovered], HOVER_COLOR, 2.2);
    if (this.selected >= 0) frustum(cameras[this.selected], SELECTED_COLOR, 2.8);
    const gl = this.gl;
    this.segmentCount = segments.length / FLOATS_A_SEGMENT;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.lineBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(segments), gl.DYNAMIC_DRAW);
  }

  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
    });
  }

  draw() {
    const { gl, canvas } = this;
    const density = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(canvas.clientWidth * density));
    const height = Math.max(1, Math.round(canvas.clientHeight * density));
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, width, height);
    gl.clearColor(...BACKGROUND, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    const { near, view, projection } = this.matrices();
    const uniform = (program, name) => gl.getUniformLocation(program, name);

    gl.useProgram(this.pointProgram);
    gl.uniformMatrix4fv(uniform(this.pointProgram, "view"), false, view);
    gl.uniformMatrix4fv(uniform(this.pointProgram, "projection"), false, projection);
    gl.uniform1f(uniform(this.pointProgram, "size"), this.sizeOfPoints() * density);
    gl.uniform1f(uniform(this.pointProgram, "dimmed"), this.dimmed ? 1 : 0);
    gl.uniform1i(uniform(this.pointProgram, "coloring"), ["photo", "track", "error"].indexOf(this.coloring));
    gl.uniform2f(uniform(this.pointProgram, "trackRange"), ...this.ranges.track);
    gl.uniform2f(uniform(this.pointProgram, "errorRange"), ...this.ranges.error);
    gl.bindVertexArray(this.pointArray);
    const drawn = this.countToDraw();
    gl.drawArrays(gl.POINTS, 0, drawn);

    gl.useProgram(this.lineProgram);
    gl.uniformMatrix4fv(uniform(this.lineProgram, "view"), false, view);
    gl.uniformMatrix4fv(uniform(this.lineProgram, "projection"), false, projection);
    gl.uniform2f(uniform(this.lineProgram, "viewport"), width / density, height / density);
    gl.uniform1f(uniform(this.lineProgram, "near"), near);
    gl.bindVertexArray(this.lineArray);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.segmentCount);
    gl.bindVertexArray(null);
    this.measure(drawn);
  }

  // Diameter in pixels of a point at distance 1: fewer points are drawn larger, and all grow as one comes near.
  sizeOfPoints() {
    const area = this.canvas.clientWidth * this.canvas.clientHeight;
    const diameter = Math.max(1.8, Math.min(6, 0.5 * Math.sqrt(area / Math.max(this.points.count, 1))));
    return this.pointSize * diameter * this.startDistance;
  }

  // -- mouse, touch, keys --------------------------------------------------------------------------------

  listen() {
    const { canvas } = this;
    const held = new Map();
    let moved = 0;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, { ...place(event), pans: event.button !== 0 || event.shiftKey });
      if (held.size === 1) moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = held.get(event.pointerId);
      const now = place(event);
      if (!before) {
        if (event.pointerType === "mouse") this.hover(this.cameraAt(now.x, now.y));
        return;
      }
      const [dx, dy] = [now.x - before.x, now.y - before.y];
      moved += Math.hypot(dx, dy);
      if (held.size === 2) {
        const other = [...held].find(([id]) => id !== event.pointerId)[1];
        const apart = (a) => Math.max(8, Math.hypot(a.x - other.x, a.y - other.y));
        this.zoom(apart(before) / apart(now), (now.x + other.x) / 2, (now.y + other.y) / 2);
        this.pan(dx / 2, dy / 2);
      } else if (before.pans) this.pan(dx, dy);
      else if (moved > 3) this.orbit(dx, dy);
      held.set(event.pointerId, { ...now, pans: before.pans });
    });
    const release = (event) => {
      const clicked = event.type === "pointerup" && held.size === 1 && moved <= 3;
      held.delete(event.pointerId);
      if (clicked) this.select(this.cameraAt(place(event).x, place(event).y));
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => this.hover(-1));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const lines = event.deltaMode === 1 ? 30 : 1;
        this.zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY * lines)) * 0.0016), place(event).x, place(event).y);
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => {
      const step = 24;
      const actions = {
        ArrowLeft: () => this.orbit(-step, 0),
        ArrowRight: () => this.orbit(step, 0),
        ArrowUp: () => this.orbit(0, -step),
        ArrowDown: () => this.orbit(0, step),
        "+": () => this.zoom(0.85),
        "=": () => this.zoom(0.85),
        "-": () => this.zoom(1 / 0.85),
        0: () => this.resetView(),
        Escape: () => this.select(-1),
      };
      const action = event.shiftKey && event.key.startsWith("Arrow")
        ? () => this.pan(...{ ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key])
        : actions[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      action();
    });
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.prepare();
      this.redraw();
    });
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }
}

function link(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getProgramInfoLog(program) || "the shaders do not link");
  }
  return program;
}

// The value below which a share of small integers lies, by counting.
function quantile(bytes, share) {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte]++;
  let below = 0;
  for (let value = 0; value < 256; value++) {
    below += counts[value];
    if (below >= share * bytes.length) return value;
  }
  return 255;
}
