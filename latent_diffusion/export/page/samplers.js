// The samplers of latent_diffusion/sampling/samplers.py, which says where they come from. Each takes
// `denoise(x, sigma)`, a promise of the clean latents; the state x at the first noise level; the
// falling levels, the last one 0; and `noise()`, fresh noise. It yields the state after every step.

const mixed = (x, y, weight, other) => x.map((value, i) => weight * value + other * y[i]);

async function* ddim(denoise, x, sigmas) {
  for (let step = 0; step + 1 < sigmas.length; step++) {
    const clean = await denoise(x, sigmas[step]);
    const kept = sigmas[step + 1] / sigmas[step];
    x = mixed(x, clean, kept, 1 - kept);
    yield x;
  }
}

async function* ddpm(denoise, x, sigmas, noise) {
  for (let step = 0; step + 1 < sigmas.length; step++) {
    const following = sigmas[step + 1];
    const clean = await denoise(x, sigmas[step]);
    const kept = (following / sigmas[step]) ** 2;
    x = mixed(x, clean, kept, 1 - kept);
    if (following > 0) x = mixed(x, noise(), 1, following * Math.sqrt(1 - kept));
    yield x;
  }
}

async function* heun(denoise, x, sigmas) {
  for (let step = 0; step + 1 < sigmas.length; step++) {
    const [sigma, following] = [sigmas[step], sigmas[step + 1]];
    let slope = mixed(x, await denoise(x, sigma), 1 / sigma, -1 / sigma);
    if (following > 0) {
      const guess = mixed(x, slope, 1, following - sigma);
      const there = mixed(guess, await denoise(guess, following), 1 / following, -1 / following);
      slope = mixed(slope, there, 0.5, 0.5);
    }
    x = mixed(x, slope, 1, following - sigma);
    yield x;
  }
}

async function* dpmpp_2m(denoise, x, sigmas) {
  let before = null;
  let cleanBefore = null;
  for (let step = 0; step + 1 < sigmas.length; step++) {
    const [sigma, following] = [sigmas[step], sigmas[step + 1]];
    const clean = await denoise(x, sigma);
    let estimate = clean;
    if (before !== null && following > 0) {
      const ratio = Math.log(before / sigma) / Math.log(sigma / following);
      estimate = mixed(clean, cleanBefore, 1 + 1 / (2 * ratio), -1 / (2 * ratio));
    }
    x = mixed(x, estimate, following / sigma, 1 - following / sigma);
    [before, cleanBefore] = [sigma, clean];
    yield x;
  }
}

export const SAMPLERS = { dpmpp_2m, heun, ddim, ddpm };

const [MANY, FEW] = [14, 4];

// The noise levels of so many steps, the last one 0: fewer than 14 end above sigmaMin.
export function spreadLevels(steps, sigmaMax, sigmaMin, lastOfFew) {
  const share = Math.max(0, MANY - steps) / (MANY - FEW);
  const last = Math.max(sigmaMin, sigmaMin ** (1 - share) * lastOfFew ** share);
  return noiseLevels(steps, sigmaMax, Math.min(last, Math.max(sigmaMin, sigmaMax / 2)));
}

// `steps` falling noise levels and a final 0 (Karras et al. 2022, equation 5).
export function noiseLevels(steps, sigmaMax, sigmaMin, rho = 7) {
  const [high, low] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  const part = (i) => (high + (i / Math.max(1, steps - 1)) * (low - high)) ** rho;
  return [...Array.from({ length: steps }, (_, i) => part(i)), 0];
}
