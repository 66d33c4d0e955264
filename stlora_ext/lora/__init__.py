"""ST-LoRA itself: layer mathematics, predictor, plug-in model, training."""
