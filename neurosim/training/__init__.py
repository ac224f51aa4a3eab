"""From images to a trained spiking network in PyTorch: DIET-SNN, and Datta & Beerel. torch is imported in this folder alone."""
