"""Experiments run for their figures: benchmark, race, ablation, GPU job. scripts/ starts them."""
