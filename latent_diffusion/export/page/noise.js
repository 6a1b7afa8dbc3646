// The noise of a seed, as torch.Generator().manual_seed(seed) and torch.randn draw it on a CPU, to
// about 1e-6: a Mersenne twister (Matsumoto & Nishimura 1998) and the method of Box and Muller.

const SIZE = 624;
const MIDDLE = 397;

class MersenneTwister {
  constructor(seed) {
    this.state = new Uint32Array(SIZE);
    this.state[0] = seed % 2 ** 32;
    for (let i = 1; i < SIZE; i++) {
      const before = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(before, 1812433253) + i;
    }
    this.next = SIZE;
  }

  twist() {
    const state = this.state;
    for (let i = 0; i < SIZE; i++) {
      const joined = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
      const shifted = (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
      state[i] = state[(i + MIDDLE) % SIZE] ^ shifted;
    }
    this.next = 0;
  }

  // A number in [0, 1) made of the lower 24 of the next 32 bits, as torch makes its float32.
  uniform() {
    if (this.next === SIZE) this.twist();
    let bits = this.state[this.next++];
    bits ^= bits >>> 11;
    bits ^= (bits << 7) & 0x9d2c5680;
    bits ^= (bits << 15) & 0xefc60000;
    bits ^= bits >>> 18;
    return (bits & 0xffffff) / 2 ** 24;
  }
}

// Replace the 16 uniform numbers from `start` on by normal ones: pairs stand 8 apart.
function makeNormal(numbers, start) {
  for (let i = start; i < start + 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - numbers[i]));
    const angle = 2 * Math.PI * numbers[i + 8];
    numbers[i] = radius * Math.cos(angle);
    numbers[i + 8] = radius * Math.sin(angle);
  }
}

// The draws of one seed: `draw()` gives the next `count` numbers of deviation `temperature`.
export class SeedNoise {
  constructor(seed, count, temperature) {
    this.twister = new MersenneTwister(seed);
    this.count = count;
    this.temperature = temperature;
  }

  draw() {
    const numbers = Float64Array.from({ length: this.count }, () => this.twister.uniform());
    for (let start = 0; start + 16 <= this.count; start += 16) makeNormal(numbers, start);
    if (this.count % 16) {
      // Where 16 does not divide the count, the last 16 are drawn anew.
      const start = this.count - 16;
      for (let i = start; i < this.count; i++) numbers[i] = this.twister.uniform();
      makeNormal(numbers, start);
    }
    return Float32Array.from(numbers, (number) => this.temperature * number);
  }
}

// The draws at a fraction of the way between two seeds, on the arc between theirs (Shoemake 1985):
// what lies between two noises is then as large as they are.
export class NoiseBetween {
  constructor(first, second, fraction) {
    this.ends = [first, second];
    this.fraction = fraction;
  }

  draw() {
    const [a, b] = this.ends.map((end) => end.draw());
    const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
    const cosine = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
    let weights = [1 - this.fraction, this.fraction];
    if (Math.sin(angle) >= 1e-4) {
      weights = weights.map((weight) => Math.sin(weight * angle) / Math.sin(angle));
    }
    return a.map((value, i) => weights[0] * value + weights[1] * b[i]);
  }
}
