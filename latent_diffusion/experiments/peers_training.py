"""How the peers of the race are trained: batches of images, and steps until the clock says stop."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from latent_diffusion.data.rows import ImageRows, flipped
from latent_diffusion.device import place
from latent_diffusion.ema import PowerEMA, ema_weights
from latent_diffusion.experiments.race_turn import Race, Turn
from latent_diffusion.training.optimizers import set_learning_rate
from latent_diffusion.training.randomness import Shuffle, StepRandom

EMA_LENGTH = 0.1  # as a share of the training: what our denoisers have
WARMUP = 0.05  # share of a training
GPU_STRIDE = 20  # steps between looks at the clock, for which a GPU has to be waited for
Batch = tuple[Tensor, Tensor, StepRandom]
Loss = Callable[[int], Tensor]  # of a step, by its number
Score = Callable[[int, bool], None]  # (steps done, whether it is the last)


class Batches:
    """Training images (N, 3, H, W), their labels, and a step's random numbers, by its number.

    Images are mirrored at random where the data may be.
    """

    def __init__(self, race: Race, size: int):
        self.images = ImageRows(race.data, race.data.train, race.device)
        self.size, self.flip = size, race.data.info.flip
        self.shuffle = Shuffle(len(self.images), size, 0)

    def __call__(self, number: int) -> Batch:
        random = StepRandom(0, number, self.images.device)
        images, labels = self.images(self.shuffle.batch(number))
        if self.flip:
            images = flipped(images, random.uniform(len(images)))
        return images, labels, random


class PeerTrainer:
    """AdamW with gradients of at most 1, and an EMA of the weights.

    The learning rate warms up and decays as a cosine; both end with the clock.
    """

    def __init__(self, turn: Turn, network: nn.Module, learning_rate: float):
        self.turn, self.learning_rate = turn, learning_rate
        self.network = place(network, turn.race.device)
        fused = turn.race.device.type != "mps"
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, fused=fused)
        self.ema = PowerEMA(network, EMA_LENGTH)

    def run(self, loss: Loss, until: float, score: Score | None = None) -> None:
        """Minimise loss(step) until that second of the clock; the network ends as its EMA."""

        def step(number: int, share: float) -> None:
            decay = 0.5 + 0.5 * math.cos(math.pi * share)
            learning_rate = self.learning_rate * min(share / WARMUP, decay)
            set_learning_rate([self.optimizer], learning_rate)
            with self.turn.race.cast():
                value = loss(number)
            value.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            self.network.zero_grad(set_to_none=True)

        by_the_clock(self.turn, step, self.network, self.ema, until, score)
        self.network.load_state_dict(self.ema.state())
        self.network.eval()


def by_the_clock(
    turn: Turn,
    step: Callable[[int, float], None],
    network: nn.Module,
    ema: PowerEMA,
    until: float,
    score: Score | None,
) -> None:
    """Do step(number, share of the time gone) until that second of the clock.

    `score(steps done, last)` sees the EMA's weights.
    """
    begin, number = turn.elapsed(), 0
    now = begin
    stride = 1 if turn.race.device.type == "cpu" else GPU_STRIDE
    minutes = turn.race.seconds / 60
    network.train()
    while True:
        if number % stride == 0:
            now = turn.elapsed()
            if now >= until:
                break
        step(number, (now - begin) / (until - begin))
        number += 1
        turn.race.tell(f"{turn.name}: {number} steps, {now / 60:.1f} of {minutes:g} minutes")
        ema.update(number)
        if score and number % stride == 0 and turn.is_due():
            with ema_weights(network, ema):
                score(number, False)
    if score:
        with ema_weights(network, ema):
            score(number, True)
