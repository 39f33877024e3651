"""BatchNorm over several processes is folded for recognition as the one that a single process has."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from engine.sync_batchnorm import convert_sync_batchnorm
from modules.batch_norm import find_batch_norms
from slr_network import fuse_for_inference
from tests.helpers.network import enliven, tiny_network

LENGTHS = torch.tensor([16, 9])


@pytest.mark.parametrize("convert", [convert_sync_batchnorm, nn.SyncBatchNorm.convert_sync_batchnorm])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_network_of_several_processes_recognises_as_one_of_a_single_process(convert, dtype):
    torch.manual_seed(0)
    model = enliven(tiny_network()).train()
    clips = torch.randint(256, (2, model.spec.padded_length(16), 3, 64, 64), dtype=torch.uint8)
    model(clips, LENGTHS)  # running statistics that count
    converted = convert(copy.deepcopy(model))
    kinds = {type(norm) for norm in find_batch_norms([converted])}
    assert len(kinds) == 1 and kinds.isdisjoint({nn.BatchNorm1d, nn.BatchNorm2d})
    folded, expected = fuse_for_inference(converted, dtype), fuse_for_inference(model, dtype)
    assert find_batch_norms([folded]) == []
    with torch.inference_mode():
        for name in ("sequence_logits", "conv_logits"):
            given, wanted = (getattr(network(clips, LENGTHS), name) for network in (folded, expected))
            assert torch.equal(given, wanted)
            assert wanted.abs().max() > 0.1
