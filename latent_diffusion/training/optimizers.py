"""How gradients become steps: Muon for the weights of convolutions, AdamW for all else."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
ROUNDS = 5  # of Newton-Schulz
# Jordan et al. 2024: the steepest quintic that stays near 1 (0.7 .. 1.2).
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
# Root mean square of AdamW's steps (Liu et al. 2025, "Muon is scalable", section 2.2).
LIKE_ADAMW = 0.2
STATES = {"AdamW": {"step", "exp_avg", "exp_avg_sq"}, "Muon": {"momentum"}}  # of a parameter


class Muon(torch.optim.Optimizer):
    """Momentum whose matrix is made orthogonal before each step (Jordan et al. 2024, "Muon").

    So all its directions are learnt at one pace. Weights (out, in, …) count as matrices with a row
    for each output. Steps have the size of AdamW's, so that the two share a learning rate.
    `found_inf`, () on the device, has torch's meaning: where it is 1, the step changes nothing.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float):
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self.found_inf = torch.zeros(())

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # closures are not run
        """Do one step from the gradients that the parameters hold."""
        skip = self.found_inf.bool()
        for group in self.param_groups:
            decay = torch.where(skip, 1.0, 1 - group["lr"] * group["weight_decay"])
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                alike[parameter.shape].append(parameter)
            for parameters in alike.values():
                out, inside, *kernel = parameters[0].shape
                momenta = [rows(update) for update in self.momentum(parameters, skip)]
                updates = torch.stack(momenta)  # (P, out, kernel x in)
                size = LIKE_ADAMW * max(updates.shape[1:]) ** 0.5
                directions = torch.where(skip, 0.0, orthogonal(updates))
                steps = [step.view(out, *kernel, inside).movedim(-1, 1) for step in directions]
                torch._foreach_mul_(parameters, decay)
                torch._foreach_add_(parameters, steps, alpha=-group["lr"] * size)

    def momentum(self, parameters: list[Tensor], skip: Tensor) -> tuple[Tensor, ...]:
        """Update, unless `skip` (), and return Nesterov's momentum of each parameter."""
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        gradients = [
            torch.where(skip, momentum, parameter.grad)
            for momentum, parameter in zip(momenta, parameters, strict=True)
            if parameter.grad is not None
        ]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        return torch._foreach_lerp(gradients, momenta, MOMENTUM)


def rows(weights: Tensor) -> Tensor:
    """Return weights (out, in, …) as a matrix (out, … x in).

    That is the order in which channels-last weights lie in memory, so that nothing is copied.
    """
    return weights.movedim(1, -1).flatten(1)


def orthogonal(matrices: Tensor) -> Tensor:
    """Return U V^T, roughly, for each of matrices U S V^T (P, M, N).

    Singular values come out between about 0.7 and 1.2. Newton-Schulz rounds X <- p(X X^T) X never
    leave the form X = Q X_0 with Q a polynomial of X_0 X_0^T, so that all of them are done on
    matrices of the shorter side, which for 3x3 convolutions is at most a ninth of the longer.
    """
    x = matrices.float()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    square = x @ x.mT  # X X^T
    factor = None  # Q
    a, b, c = COEFFICIENTS
    for last in [False] * (ROUNDS - 1) + [True]:
        polynomial = torch.baddbmm(square, square, square, beta=b, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        factor = polynomial if factor is None else polynomial @ factor
        square = square if last else polynomial @ square @ polynomial
    assert factor is not None
    x = factor @ x
    return (x.mT if tall else x).to(matrices.dtype)


def make_optimizers(
    model: nn.Module, name: str, learning_rate: float, weight_decay: float, device: torch.device
) -> list[torch.optim.Optimizer]:
    """Return AdamW for everything ("adamw"), or Muon for convolutions and it for the rest ("muon").

    Weight decay is for matrices and convolutions only, not for biases and norms.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    convolutions = [p for p in parameters if p.ndim == 4] if name == "muon" else []
    others = [p for p in parameters if p.ndim != 4] if name == "muon" else parameters
    groups = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = device.type != "mps"
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.99), fused=fused)
    ]
    if convolutions:
        optimizers.append(Muon(convolutions, learning_rate, weight_decay))
    return optimizers


def set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], learning_rate: float) -> None:
    """Make this the learning rate of all parameters."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Return how large an optimizer's state becomes, but for numbers of steps."""
    tensors = len(STATES[type(optimizer).__name__] - {"step"})
    return tensors * sum(p.nbytes for group in optimizer.param_groups for p in group["params"])


def step_unless(failed: Tensor, optimizers: Iterable[torch.optim.Optimizer]) -> None:
    """Do a step of each optimizer; where `failed`, () bool on the device, it changes nothing.

    Only a device without fused kernels is waited for.
    """
    for optimizer in optimizers:
        if isinstance(optimizer, Muon) or optimizer.defaults["fused"]:
            optimizer.found_inf = failed.float()  # type: ignore[attr-defined]  # as torch's own
            optimizer.step()
        elif not failed:
            optimizer.step()
