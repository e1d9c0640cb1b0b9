"""Ports are chosen before anybody listens on them."""

import pytest
from chassis.stack import ports
from chassis.stack.errors import StackError
from chassis.stack.ports import free_port, free_ports


def test_no_port_is_given_twice_though_nobody_listens_yet():
    given = [*free_ports(40), *free_ports(40), free_port()]
    assert len(set(given)) == len(given)


def test_a_port_somebody_else_chose_is_not_given(monkeypatch):
    monkeypatch.setattr(ports, "_given", set())
    monkeypatch.setattr(ports, "_RANGE", range(20_000, 20_003))
    (free,) = free_ports(1, {20_000, 20_001})
    assert free == 20_002


def test_a_range_that_is_used_up_is_told(monkeypatch):
    monkeypatch.setattr(ports, "_given", {20_000})
    monkeypatch.setattr(ports, "_RANGE", range(20_000, 20_002))
    with pytest.raises(StackError, match="Fewer than 2 ports between 20000 and 20002 are free"):
        free_ports(2)
