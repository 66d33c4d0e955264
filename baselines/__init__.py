"""The forecasting backbones, a folder each, in BasicTS's conventions."""
