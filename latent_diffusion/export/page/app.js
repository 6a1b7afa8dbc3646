// The page: controls, the picture on the stage, the gallery. worker.js does the drawing.

const element = (id) => document.getElementById(id);
const run = await (await fetch("config.json")).json();
const size = run.image_size;

const worker = new Worker("worker.js", { type: "module" });
const orders = new Map(); // those given and not yet drawn, by number
const items = []; // of the gallery: { frames: pixels of each, caption, name, button, canvas }
let lastId = 0;
let ready = false; // whether the networks are loaded
let shown = null; // the item on the stage
let ownGuidance; // what the slider says for the run's own
let mostGuidance; // that the denoiser may be asked for; a student learnt less

// ---- from the controls to orders

const labels = () => {
  const chosen = element("class").value;
  return chosen === "" ? run.class_names.map((_, label) => label) : [Number(chosen)];
};
// Seed s draws classes[(s - 1) mod len], as `ldm sample` does.
const labelOf = (seed, classes) => classes[(seed - 1 + classes.length) % classes.length];

const isFast = () => Boolean(run.fast && element("speed").value);

// With the run's own guidance each class keeps the guidance that the run gives it.
function guidanceOf(label) {
  const asked = element("guidance").value;
  const own = isFast() ? run.fast.guidance : run.guidance;
  return asked === ownGuidance ? own[run.class_names[label]] : Number(asked);
}

function end(seed) {
  const label = labelOf(seed, labels());
  return { seed, label, guidance: guidanceOf(label) };
}

const caption = ({ seed, label }) => `${run.class_names[label]}, seed ${seed}`;

function order(ends, fraction, item, frame) {
  const id = ++lastId;
  const fast = isFast();
  const steps = Number(element(fast ? "speed" : "steps").value);
  orders.set(id, { item, frame, steps });
  worker.postMessage({ id, ends, fraction, steps, fast });
}

function drawSeeds() {
  const first = Number(element("seed").value);
  for (let i = 0; i < Number(element("count").value); i++) {
    const one = end((first + i) % 2 ** 32);
    const name = `${String(one.seed).padStart(5, "0")}.png`;
    order([one], 0, { frames: [], caption: caption(one), name }, 0);
  }
  lookAtStage();
  refresh();
}

function drawWalk() {
  const ends = [end(Number(element("from").value)), end(Number(element("to").value))];
  const frames = Number(element("frames").value);
  const name = `walk-${ends[0].seed}-${ends[1].seed}.png`;
  const item = { frames: [], caption: `${caption(ends[0])} to ${caption(ends[1])}`, name };
  for (let frame = 0; frame < frames; frame++) order(ends, frame / (frames - 1), item, frame);
  lookAtStage();
  refresh();
}

function stop() {
  for (const id of orders.keys()) worker.postMessage({ stop: id });
  orders.clear();
  element("status").textContent = "Stopped.";
  element("progress").value = 0;
  refresh();
}

// ---- from the worker to the stage

worker.onmessage = ({ data }) => {
  if (data.failed) return fail(data);
  if (data.ready) {
    element("status").textContent = data.ready === "webgpu" ? "Ready, by WebGPU (untested)." : "Ready.";
    ready = true;
    return refresh();
  }
  const given = orders.get(data.id);
  if (!given) return undefined; // it was stopped
  const { item, frame, steps } = given;
  element("progress").value = data.step / steps;
  if (data.seconds === undefined) {
    element("status").textContent = `${item.caption}: step ${data.step} of ${steps}`;
    if (data.pixels) paint(element("picture"), data.pixels);
    return undefined;
  }
  orders.delete(data.id);
  item.frames[frame] = data.pixels;
  item.seconds = (item.seconds ?? 0) + data.seconds;
  if (!item.button) addToGallery(item);
  show(item, frame);
  return refresh();
};

worker.onerror = (error) => fail({ failed: error.message || "the worker did not start" });

function fail({ failed }) {
  if (element("device").value === "webgpu" && !element("device-label").hidden) {
    element("device").value = "wasm"; // the other one, then, which is tested
    return changeDevice();
  }
  orders.clear();
  element("status").textContent = `It does not work here: ${failed}`;
  return refresh();
}

function refresh() {
  const busy = orders.size > 0;
  for (const id of ["draw", "walk"]) element(id).disabled = busy || !ready;
  element("device").disabled = busy;
  element("stop").hidden = !busy;
  element("drawn").hidden = items.length === 0;
}

// ---- pictures

function paint(canvas, pixels) {
  canvas.width = canvas.height = size;
  canvas.getContext("2d").putImageData(new ImageData(pixels, size, size), 0, 0);
}

function show(item, frame = 0) {
  shown?.button.classList.remove("shown");
  shown = item;
  item.button.classList.add("shown");
  paint(element("picture"), item.frames[frame]);
  const count = item.frames.length;
  const walk = count > 1;
  element("frame").hidden = element("save-strip").hidden = !walk;
  element("frame").max = count - 1;
  element("frame").value = frame;
  element("save").disabled = false;
  element("picture").setAttribute("aria-label", item.caption);
  const which = walk ? `, ${frame + 1} of ${count}` : "";
  element("status").textContent = `${item.caption}${which} · ${item.seconds.toFixed(1)}\u00a0s`;
}

// On a phone the picture may be out of sight.
function lookAtStage() {
  element("stage").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

function addToGallery(item) {
  items.push(item);
  const figure = document.createElement("figure");
  item.button = document.createElement("button");
  item.button.title = `Show ${item.caption}`;
  item.button.onclick = () => {
    show(item);
    lookAtStage();
  };
  const canvas = document.createElement("canvas");
  paint(canvas, item.frames.find(Boolean));
  const text = document.createElement("figcaption");
  text.textContent = item.caption;
  item.button.append(canvas);
  figure.append(item.button, text);
  element("gallery").prepend(figure);
}

// All frames side by side, or the one on the stage.
function save(frames, name) {
  const sheet = document.createElement("canvas");
  sheet.width = size * frames.length;
  sheet.height = size;
  const context = sheet.getContext("2d");
  frames.forEach((pixels, i) => context.putImageData(new ImageData(pixels, size, size), i * size, 0));
  sheet.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

// ---- the controls

function fillControls() {
  document.title = element("title").textContent = run.title;
  const every = new Option("each in turn", "");
  element("class").append(every, ...run.class_names.map((name, label) => new Option(name, label)));
  setRange("guidance", run.sampling.guidance);
  ownGuidance = element("guidance").value;
  element("guidance-label").hidden = !run.can_be_guided;
  element("speed-label").hidden = !run.fast;
  mostGuidance = element("guidance").max;
  setRange("steps", run.sampling.steps);
  for (const output of document.querySelectorAll("output")) {
    const input = element(output.htmlFor.value);
    const follow = () => (output.textContent = input.value);
    input.addEventListener("input", follow);
    follow();
  }
}

function setRange(id, value) {
  const range = element(id);
  range.min = Math.min(range.min, value);
  range.max = Math.max(range.max, value);
  range.value = value;
}

function changeSpeed() {
  element("steps-label").hidden = isFast();
  const most = isFast() ? Math.min(run.fast.most_guidance, mostGuidance) : mostGuidance;
  element("guidance").max = most;
  element("guidance").dispatchEvent(new Event("input")); // a number above is the most by now
}

function changeDevice() {
  element("status").textContent = "Loading the networks …";
  ready = false;
  refresh();
  worker.postMessage({ load: element("device").value, fast: isFast() });
}

async function findDevice() {
  let adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  // One that is only a program on the processor is far slower than WASM is.
  if (adapter?.isFallbackAdapter || adapter?.info?.isFallbackAdapter) adapter = null;
  element("device").value = adapter ? "webgpu" : "wasm";
  element("device-label").hidden = !adapter;
  changeDevice();
}

// Whether these inputs hold what they may; the browser says what does not.
const valid = (...ids) => ids.every((id) => element(id).reportValidity());
element("controls").onsubmit = (event) => {
  event.preventDefault();
  if (!element("draw").disabled && valid("seed")) drawSeeds();
};
element("walk").onclick = () => valid("from", "to", "frames") && drawWalk();
element("stop").onclick = stop;
element("device").onchange = changeDevice;
element("speed").onchange = changeSpeed;
element("dice").onclick = () => {
  element("seed").value = Math.floor(Math.random() * 100_000);
};
element("frame").oninput = () => show(shown, Number(element("frame").value));
element("save").onclick = () => {
  const frame = shown.frames.length > 1 ? Number(element("frame").value) : 0;
  save([shown.frames[frame]], shown.name);
};
element("save-strip").onclick = () => save(shown.frames.filter(Boolean), shown.name);
element("clear").onclick = () => {
  items.length = 0;
  element("gallery").replaceChildren();
  refresh();
};

fillControls();
changeSpeed();
element("needs-server").hidden = true;
document.querySelector("main").hidden = false;
findDevice();
