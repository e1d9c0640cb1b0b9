"""The chart gives what was committed, and takes every shape that it is said to support."""

import pytest
from rendered import CHART, SHAPES, golden, helm, render


@pytest.mark.parametrize("shape", SHAPES)
def test_the_chart_renders_what_was_committed(shape):
    """After a change that is meant: `make goldens`, and read the difference."""
    done = render("--values", str(CHART / "ci" / f"{shape}-values.yaml"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == golden(shape).read_text()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_chart_has_nothing_to_complain_of(shape):
    done = helm("lint", "--strict", "--quiet", str(CHART), "--values", str(CHART / "ci" / f"{shape}-values.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.30.0", "1.32.5-gke.100", "1.37.0"])
def test_the_chart_is_for_every_supported_kubernetes(version):
    values = str(CHART / "ci" / "production-values.yaml")
    done = helm("template", "crm", str(CHART), "--kube-version", version, "--values", values)
    assert done.returncode == 0, done.stderr


def test_an_older_kubernetes_is_refused():
    values = str(CHART / "ci" / "minimal-values.yaml")
    done = helm("template", "crm", str(CHART), "--kube-version", "1.29.9", "--values", values)
    assert done.returncode != 0
    assert "kubeVersion: >=1.30.0-0" in done.stderr


def test_every_golden_has_its_values():
    assert sorted(path.stem for path in (CHART / "golden").glob("*.yaml")) == SHAPES


def test_it_may_be_a_part_of_another_chart(tmp_path):
    """Whose global values and `enabled` it is told of."""
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "crm").symlink_to(CHART)
    depends = "dependencies: [{name: crm, version: 0.1.0, condition: crm.enabled}]"
    (tmp_path / "Chart.yaml").write_text(f"{{apiVersion: v2, name: all, version: 1.0.0, {depends}}}")
    minimal = (CHART / "ci" / "minimal-values.yaml").read_text().replace("\n", "\n  ")
    (tmp_path / "values.yaml").write_text(f"global: {{somebody: else}}\ncrm:\n  enabled: true\n  {minimal}\n")
    done = helm("template", "all", str(tmp_path), "--kube-version", "1.34.0")
    assert done.returncode == 0, done.stderr
    assert "name: all-crm-leads" in done.stdout
