from experiments.defaults import experiment

CFG = experiment("PEMS03", "HA-week+")
