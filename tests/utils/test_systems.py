"""What is said here of the systems' networks is what their files say."""

import dataclasses

import pytest

from config.layers import list_systems, read_system
from config.load import load_config
from utils.systems import NETWORKS, find_nearest_network


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.published)
def test_settings_are_those_of_the_systems_file(network):
    corpus = "CSL-Daily" if "CSL-Daily" in network.published else "phoenix2014"
    of_file = dataclasses.asdict(load_config(None, {"system": network.system, "dataset": corpus})[0].model_args)
    assert {key: of_file[key] for key in network.model_args} == network.model_args
    assert read_system(network.system)["model_args"].keys() == network.model_args.keys()
    assert find_nearest_network(of_file) == (network, {})


def test_every_system_is_known_in_the_order_of_their_files():
    assert list(dict.fromkeys(network.system for network in NETWORKS)) == list_systems()
