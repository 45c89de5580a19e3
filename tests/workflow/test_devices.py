import pytest

from stilts_utils.study.sizes import Sizes
from stilts_utils.workflow import devices


def test_a_named_device_works_at_a_share_of_its_peak():
    device = devices.named("a100", 0.5)
    assert device.training == device.forward == 156e12
    assert device.name == "a100 at 50% of its peak of 312 TFLOP/s"
    assert device.launch > 0


def test_an_unknown_device_is_an_error_that_names_those_known():
    with pytest.raises(ValueError, match="device is 'abacus', allowed: here, t4, .*h100"):
        devices.named("abacus")


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_of_the_peak_is_above_0_and_at_most_1(share):
    with pytest.raises(ValueError, match=f"utilisation is {share}, allowed: above 0, to 1"):
        devices.named("h100", share)


@pytest.mark.parametrize("seconds", [0, -1])
def test_measuring_takes_time(seconds):
    with pytest.raises(ValueError, match=f"measure is {seconds}, allowed: above 0"):
        devices.measure(Sizes(2, 32, 64, 100), rows=2, length=8, seconds=seconds)


def test_this_machine_is_measured():
    device = devices.measure(Sizes(2, 32, 64, 100), rows=2, length=8, seconds=0.02)
    assert device.name.startswith("this machine (")
    assert device.training > 0 and device.forward > 0 and device.launch == 0


def test_a_machine_that_others_use_is_said_to_be(monkeypatch):
    monkeypatch.setattr(devices.noise.NoiseWatch, "stop", lambda self: {"foreign_share": 0.4})
    device = devices.measure(Sizes(2, 32, 64, 100), rows=2, length=8, seconds=0.01)
    assert "of which other processes took 40% meanwhile" in device.name
