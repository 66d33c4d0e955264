"""Every model, with and without adapter, trains an epoch on TINY to a record that is as good as any other."""

import numpy as np
import pandas as pd
import pytest

from experiments import predict, verify
from stlora_ext.config.experiment import experiment
from stlora_ext.config.registry import models
from stlora_ext.data.prepared import load_meta, load_split
from stlora_ext.host.devices import use_device
from stlora_ext.runs.build import host_config
from stlora_ext.runs.options import RunOptions
from stlora_ext.runs.run import train_run
from tests.support.small import SMALL


@pytest.mark.parametrize("name", models())
def test_a_model_trains_an_epoch_to_a_record_that_is_opened_verified_and_forecast_from(
    name, tiny_data, tmp_path, capsys
):
    settings = SMALL.get(name.removesuffix("+"), {})
    exp = experiment("TINY", name, model_settings=settings, num_epochs=1, batch_size=256, eval_batch_size=256)
    meta = load_meta(tiny_data, "TINY")
    use_device("")
    record, _ = train_run(
        exp, meta, None if exp.run_seeds == (None,) else 0, RunOptions(tiny_data, tmp_path, save_results=True)
    )
    path = record.key.record_path(tmp_path)
    assert record.training.epochs == 1 and path.is_file()

    verify.main([str(path), "--data", str(tiny_data)])
    assert "stated: nothing)" in capsys.readouterr().out

    values, _ = load_split(tiny_data, meta, "test")
    first = meta.windows["train"] + meta.windows["val"]
    times = pd.Timestamp(meta.start) + pd.to_timedelta(np.arange(first, first + 12) * meta.interval, unit="min")
    pd.DataFrame(values[:12], times, meta.sensor_ids).to_csv(tmp_path / "recent.csv")
    out = tmp_path / "forecast.csv"
    predict.main([str(path), "--data", str(tiny_data), "--input", str(tmp_path / "recent.csv"), "--output", str(out)])
    forecast = pd.read_csv(out, index_col=0).to_numpy()
    tested = np.load(path.with_suffix("") / "test_results" / "prediction.npy")[0]
    # BasicTS's StemGNN and TimesNet take the mean over a batch: of the graph, and of what decides the periods.
    tolerance = 0.1 if name.startswith(("StemGNN", "TimesNet")) else 1e-4
    np.testing.assert_allclose(forecast, tested, rtol=tolerance, atol=1e-3)


def test_the_curriculum_covers_all_steps_in_the_warm_up_and_then_one_more_every_few_epochs(tiny_data, tmp_path):
    meta = load_meta(tiny_data, "TINY")
    callbacks = {
        epochs: host_config(experiment("TINY", "D2STGNN", num_epochs=epochs), meta, 0, RunOptions(tiny_data)).callbacks
        for epochs in (99, 100)
    }
    assert len(callbacks[100]) == len(callbacks[99]) + 1
    curriculum = callbacks[100][-1]
    assert [curriculum.steps(epoch, 12) for epoch in (1, 30, 31, 32, 33, 36, 62, 63, 100)] == [
        12,
        12,
        1,
        1,
        2,
        3,
        11,
        12,
        12,
    ]
    metr_la = host_config(
        experiment("TINY", "D2STGNN", curriculum_warm_up=0, curriculum_every=6), meta, 0, RunOptions(tiny_data)
    ).callbacks[-1]
    assert [metr_la.steps(epoch, 12) for epoch in (1, 5, 6, 65, 66)] == [1, 1, 2, 11, 12]
