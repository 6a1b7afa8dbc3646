"""Self-attention over the positions of a feature map, with a choice of backend."""

import math
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from autoencoder import GroupNorm
from latent_diffusion.denoiser.layers import begin_at_zero

AttentionBackend = Literal["auto", "sdpa", "xformers", "math"]
HEAD_DIMENSION = 64


def attend(q: Tensor, k: Tensor, v: Tensor, backend: AttentionBackend = "auto") -> Tensor:
    """Return softmax(q k^T / sqrt(d)) v for (N, heads, positions, d) each.

    "auto" is plain matrix products for bf16 on a CPU, where PyTorch's fused kernel is several times
    slower in the backward pass, and the fused kernel everywhere else. Raise ValueError for xformers
    where it is not installed, and on other devices than cuda.
    """
    if backend == "auto":
        backend = "math" if q.device.type == "cpu" and q.dtype == torch.bfloat16 else "sdpa"
    if backend == "sdpa":
        return F.scaled_dot_product_attention(q, k, v)
    if backend == "xformers":
        return xformers_attend(q, k, v)
    weights = (q @ k.transpose(-1, -2)) * (1 / math.sqrt(q.shape[-1]))
    return weights.softmax(dim=-1).to(v.dtype) @ v


def xformers_attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Do `attend` by xformers, which is imported only here: without a GPU it prints a warning."""
    try:
        from xformers.ops import memory_efficient_attention
    except ImportError:
        raise ValueError(
            'attention = "xformers" needs the xformers package, which is not installed here: '
            'use "sdpa" or "auto"'
        ) from None
    if q.device.type != "cuda":
        raise ValueError('attention = "xformers" runs on cuda only: use "auto"')
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (N, positions, heads, d)
    attended: Tensor = memory_efficient_attention(q, k, v)
    return attended.transpose(1, 2)


def attend_map(qkv: Tensor, heads: int, backend: AttentionBackend) -> Tensor:
    """Return the attention (N, C, h, w) among the positions of q, k and v (N, 3 C, h, w)."""
    height = qkv.shape[2]
    q, k, v = rearrange(
        qkv, "n (three heads d) h w -> three n heads (h w) d", three=3, heads=heads
    ).contiguous()
    return rearrange(attend(q, k, v, backend), "n heads (h w) d -> n (heads d) h w", h=height)


class SelfAttention(nn.Module):
    """Residual multi-head attention on (N, C, h, w)."""

    def __init__(self, channels: int, backend: AttentionBackend):
        super().__init__()
        self.heads, self.backend = max(1, channels // HEAD_DIMENSION), backend
        self.norm = GroupNorm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        begin_at_zero(self.out)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(attend_map(self.qkv(self.norm(x)), self.heads, self.backend))
