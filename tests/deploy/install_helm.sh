#!/usr/bin/env bash
# Puts Helm at $1, for tests/deploy: the one on the PATH, else one built from its source by Go (some three minutes).
set -euo pipefail
target=$1
version=v3.19.5
if [[ -x $target ]]; then exit 0; fi
if found=$(command -v helm); then ln -sf "$found" "$target"; exit 0; fi
go=$(command -v go || echo /usr/local/go/bin/go)
[[ -x $go ]] || { echo "There is neither Helm nor Go here; name a Helm with HELM=path."; exit 1; }
# Without these the version of Kubernetes that a template sees is 1.0, and Helm's own is unknown.
of=helm.sh/helm/v3
flags="-s -w -X $of/internal/version.version=$version -X $of/pkg/chartutil.k8sVersionMajor=1 -X $of/pkg/chartutil.k8sVersionMinor=34"
GOBIN=$(cd "$(dirname "$target")" && pwd) "$go" install -trimpath -ldflags "$flags" "$of/cmd/helm@$version"
