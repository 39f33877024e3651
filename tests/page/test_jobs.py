"""What is left of a job that failed: the error, and nothing that its functions had in hand."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from page.jobs import Job
from page.sessions import MISTAKE, describe_error
from utils.errors import InputError


class Maps:
    """In place of what a network computes of a clip."""


class Nobody:
    """Who wants the job done."""

    def send(self, message: dict[str, Any]) -> None: ...

    def notice(self, message: str) -> None: ...


@pytest.mark.parametrize("explained", [False, True])
def test_a_job_that_failed_holds_no_maps(explained, capsys):
    freed: list[str] = []

    def compute(name: str) -> None:
        maps = Maps()
        weakref.finalize(maps, freed.append, name)
        if name == "inner":
            raise RuntimeError("CUDA out of memory")
        compute("inner")

    def work(_: Job) -> None:
        try:
            compute("outer")
        except RuntimeError as error:
            if not explained:
                raise
            raise InputError("memory ran out") from error

    job = Job(Nobody(), work)
    job.do()
    assert sorted(freed) == ["inner", "outer"]
    error = job.result.exception()
    assert describe_error(error).startswith("memory ran out")
    assert ("in compute" in capsys.readouterr().err) == (not explained)  # the traceback was there to be printed


def test_memory_that_ran_out_is_no_mistake_of_the_program():
    ran_out = RuntimeError("CUDA out of memory. Tried to allocate 3.06 GiB. GPU 0 has a total capacity of 7.79 GiB")
    assert describe_error(ran_out) == "memory ran out"
    assert describe_error(RuntimeError("expected all tensors to be on cuda:0")) == MISTAKE
