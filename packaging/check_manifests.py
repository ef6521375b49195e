"""Renders the Helm chart as Helm does, and checks each manifest against the schemas of Kubernetes.

With --update it writes packaging/kubernetes/outbound-tasks.yaml, which is the chart with its defaults.
"""

import sys
from pathlib import Path

import kubernetes_validate
import yaml
from helm_python.chart import Chart

HERE = Path(__file__).parent
CHART = HERE / "helm" / "outbound-tasks"
MANIFESTS = HERE / "kubernetes" / "outbound-tasks.yaml"
HEADER = """\
# The service without Helm: kubectl apply -f packaging/kubernetes/outbound-tasks.yaml, after
#   kubectl create secret generic outbound-tasks-database --from-file=url=/dev/stdin
# Replace the image's registry. Generated from the chart with its defaults by UPDATE=yes packaging/check.
"""
# The oldest and the newest version whose schemas are known here.
VERSIONS = ["1.29", "1.37"]
KINDS = {
    "ConfigMap",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Job",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Service",
}
# Each switch of the chart in its other position.
OTHER = {
    "tls": {"secret": "tasks-tls"},
    "migrate": False,
    "autoscaling": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
    "networkPolicy": {"database": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
    "imagePullSecrets": [{"name": "registry"}],
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "settings": {"pool-size": 20, "cors-origin": ["https://console.example.com"]},
}


def render(values: dict) -> list[tuple[str, str]]:
    """The files of the chart with these values, by name, without those that are empty."""
    with Chart.load(CHART) as chart:
        files = chart.render(values=values, name="outbound-tasks", namespace="default")
    texts = [(Path(name).name, text.strip()) for name, text in sorted(files.items())]
    return [(name, text) for name, text in texts if name.endswith(".yaml") and text]


def check(values: dict) -> tuple[str, set[str]]:
    """Checks what the chart makes of these values; answers its text and its kinds."""
    files = render(values)
    kinds = set()
    for name, text in files:
        for manifest in filter(None, yaml.safe_load_all(text)):
            kinds.add(manifest["kind"])
            for version in VERSIONS:
                try:
                    kubernetes_validate.validate(manifest, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    sys.exit(f"{name}, {manifest['kind']}, Kubernetes {version}: {error}")
    return "\n---\n".join(text.removeprefix("---\n") for _, text in files) + "\n", kinds


def main() -> None:
    text, kinds = check({})
    if kinds != KINDS:
        sys.exit(f"the chart has other kinds: {sorted(kinds ^ KINDS)}")
    text = HEADER + text
    if "--update" in sys.argv:
        MANIFESTS.write_text(text)
    elif MANIFESTS.read_text() != text:
        sys.exit(f"{MANIFESTS} is not the chart with its defaults: run UPDATE=yes packaging/check")
    _, kinds = check(OTHER)
    if kinds != KINDS - {"HorizontalPodAutoscaler", "PodDisruptionBudget", "Job"}:
        sys.exit(f"the switches of the chart do not work: {sorted(kinds)}")
    print("The chart and the manifests are valid.")


main()
