// Draws pictures beside the page, so that the page stays free: loads the networks, samples, decodes.
//
// Gets { load: "wasm" or "webgpu", fast }; then orders { id, ends, steps, fraction, fast }, where ends
// are one or two of { seed, label, guidance } and fast orders are the student's; and { stop: id }.
// Posts { ready }; for an order { id, step } after each step, with pixels after some, and
// { id, step, pixels, seconds } in the end; { failed }.

import { NoiseBetween, SeedNoise } from "./noise.js";
import { SAMPLERS, spreadLevels } from "./samplers.js";

const SHARE_OF_PREVIEWS = 0.2; // of the time, at most
const RUNTIMES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };

let ort, run, options, decoder;
let networks = {}; // that were asked for: the denoiser, the student
let decodingSeconds = 0;
const stopped = new Set();

const now = () => performance.now() / 1000;
// Lets messages in, such as one that stops an order.
const breath = () => new Promise((resolve) => setTimeout(resolve));

async function load(device, fast) {
  run = await (await fetch("config.json")).json();
  ort = await import(`./runtime/${RUNTIMES[device]}`);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1; // more would need cross-origin isolation
  ort.env.wasm.wasmPaths = new URL("runtime/", self.location).href;
  options = { executionProviders: [device], graphOptimizationLevel: "all" };
  networks = {};
  decoder = await ort.InferenceSession.create("decoder.onnx", options);
  await warmed(fast);
  await decoded(new Float32Array(count()));
  const start = now();
  await decoded(new Float32Array(count()));
  decodingSeconds = now() - start;
  postMessage({ ready: device });
}

// Loads a network where it is not there yet, and calls it once: its first call is slow.
async function warmed(fast) {
  const name = fast ? "student" : "denoiser";
  if (networks[name]) return;
  networks[name] = await ort.InferenceSession.create(`${name}.onnx`, options);
  const x = new Float32Array(count());
  await (fast ? jumped(x, 1, 0, 0, 1) : denoised(x, 1, 0, 2));
}

const count = () => run.latent_shape.reduce((product, side) => product * side, 1);

// The clean latents of x, guided, as latent_diffusion/sampling/generate.py has them.
async function denoised(x, sigma, label, guidance) {
  const [low, high] = run.guided_levels;
  const guided = guidance !== 1 && low <= sigma && sigma <= high;
  const labels = guided ? [label, run.null_label] : [label];
  const rows = new Float32Array(labels.length * x.length);
  labels.forEach((_, row) => rows.set(x, row * x.length));
  const inputs = {
    x: new ort.Tensor("float32", rows, [labels.length, ...run.latent_shape]),
    sigma: new ort.Tensor("float32", new Float32Array(labels.length).fill(sigma), [labels.length]),
    labels: new ort.Tensor("int64", BigInt64Array.from(labels, BigInt), [labels.length]),
  };
  const { clean } = await networks.denoiser.run(inputs);
  const conditional = clean.data.slice(0, x.length);
  const reference = clean.data.slice(-x.length);
  return x.map((value, i) => {
    const found = reference[i] + guidance * (conditional[i] - reference[i]);
    return value - (value - (guided ? found : conditional[i])) / run.sampling.epsilon_scale;
  });
}

// The student's "clean" latents of x, as latent_diffusion/sampling/generate.py has them.
async function jumped(x, sigma, following, label, guidance) {
  const number = (value) => new ort.Tensor("float32", Float32Array.of(value), [1]);
  const { clean } = await networks.student.run({
    x: new ort.Tensor("float32", x, [1, ...run.latent_shape]),
    sigma: number(sigma),
    labels: new ort.Tensor("int64", BigInt64Array.of(BigInt(label)), [1]),
    guidance: number(guidance),
    following: number(following),
  });
  return clean.data;
}

// The picture of latents, 4 numbers a pixel.
async function decoded(latents) {
  const tensor = new ort.Tensor("float32", latents, [1, ...run.latent_shape]);
  const { images } = await decoder.run({ latents: tensor });
  const size = run.image_size ** 2;
  const pixels = new Uint8ClampedArray(4 * size).fill(255);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < size; i++) {
      pixels[4 * i + channel] = (images.data[channel * size + i] + 1) * 127.5; // rounds, and clamps
    }
  }
  return pixels;
}

async function draw({ id, ends, steps, fraction, fast }) {
  await warmed(fast);
  const start = now();
  const { sigma_max, sigma_min, last_of_few, temperature, sampler } = run.sampling;
  const noises = ends.map(({ seed }) => new SeedNoise(seed, count(), temperature));
  const noise = ends.length > 1 ? new NoiseBetween(...noises, fraction) : noises[0];
  const levels = fast
    ? run.fast.levels[steps]
    : spreadLevels(steps, sigma_max, sigma_min, last_of_few);
  let latents = noise.draw().map((value) => levels[0] * value);
  let [step, shown] = [0, 0]; // the first step is shown at once
  const denoise = denoiserOf(ends, fraction, fast && levels);
  const states = SAMPLERS[fast ? "ddim" : sampler](denoise, latents, levels, () => noise.draw());
  for await (latents of states) {
    step += 1;
    await breath();
    if (stopped.has(id)) return;
    const due = decodingSeconds <= SHARE_OF_PREVIEWS * (now() - shown);
    if (due && step < steps) {
      const shrunk = 1 / Math.sqrt(1 + levels[step] ** 2); // as large as clean latents
      postMessage({ id, step, pixels: await decoded(latents.map((value) => shrunk * value)) });
      shown = now();
    } else {
      postMessage({ id, step });
    }
  }
  postMessage({ id, step, pixels: await decoded(latents), seconds: now() - start });
}

// Between two labels the predictions are mixed, as latent_diffusion/exploration/walks.py does.
// jumps: the noise levels of the student's, if it draws.
function denoiserOf(ends, fraction, jumps) {
  const [first, last] = [ends[0], ends.at(-1)];
  const by = (x, sigma, { label, guidance }) =>
    jumps
      ? jumped(x, sigma, jumps[jumps.indexOf(sigma) + 1], label, guidance)
      : denoised(x, sigma, label, guidance);
  if (first.label === last.label) return (x, sigma) => by(x, sigma, first);
  return async (x, sigma) => {
    const one = await by(x, sigma, first);
    const other = await by(x, sigma, last);
    return one.map((value, i) => value + fraction * (other[i] - value));
  };
}

let queue = Promise.resolve();

onmessage = ({ data }) => {
  if (data.stop !== undefined) {
    stopped.add(data.stop);
    return;
  }
  const work = () => (data.load ? load(data.load, data.fast) : draw(data));
  queue = queue.then(work).catch((error) => postMessage({ id: data.id, failed: String(error) }));
};
