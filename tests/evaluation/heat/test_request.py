"""What is asked for of a heat map."""

from evaluation.heat.request import HeatRequest


def test_a_gloss_may_be_typed_in_any_unicode_form():
    assert HeatRequest(target="gloss:SU\u0308D").gloss == HeatRequest(target="gloss:SÜD").gloss == "SÜD"
    assert HeatRequest().gloss is None
