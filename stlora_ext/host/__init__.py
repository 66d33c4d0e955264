"""BasicTS as a host that can be trusted: its runner, launcher, scaler and config with their defects repaired.

BasicTS stays an installed package, unedited. Nothing here knows of ST-LoRA.
"""
