"""A trained run for other people's programs, pages and hubs: `ldm export`.

onnx.py writes networks that run without PyTorch, and a sampler in NumPy beside them; web.py a page
that samples in the browser; hub.py a folder that `Pipeline.from_pretrained` reads and a hub shows.
No export contains one of the user's pictures unless asked to.
"""
