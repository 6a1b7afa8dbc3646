"""From seeds to images: samplers, noise levels, per-seed noise, fixed compute batches."""
