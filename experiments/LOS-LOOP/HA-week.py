from experiments.defaults import experiment

CFG = experiment("LOS-LOOP", "HA-week")
