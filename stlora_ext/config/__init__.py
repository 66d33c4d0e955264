"""What an experiment is: the registry of backbones, settings, and how a config file is read."""
