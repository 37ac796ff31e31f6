# Go, make and a POSIX shell are all that this needs; `make verify` and `make test-gitops` need git as well.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

GO ?= go
# What the operator calls itself; a release sets it.
VERSION ?= dev

# Where a built control plane may be already, as for controller-runtime's envtest. Tests run in other folders than
# this one, hence the absolute path.
ifneq ($(KUBEBUILDER_ASSETS),)
override KUBEBUILDER_ASSETS := $(abspath $(KUBEBUILDER_ASSETS))
export KUBEBUILDER_ASSETS
endif

##@ Use

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9_-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# The shell gives way to the program, so that it is make's own child: a SIGTERM to make then reaches it.
.PHONY: run
run: k8s build bin/tools/idp bin/tools/run ## Start a control plane with Enrol and the samples; RUN_KEEP=1 keeps earlier data
	@exec bin/tools/run

.PHONY: kubeconfig
kubeconfig: bin/tools/run ## Print a kubeconfig: make -s kubeconfig USER=jane@example.com [IN_GROUPS=a,b]
	@$(user_is_given)
	@exec bin/tools/run kubeconfig --groups "$$IN_GROUPS" -- "$$USER"

.PHONY: token
token: bin/tools/run ## Print an ID token: make -s token USER=ada@example.com
	@$(user_is_given)
	@exec bin/tools/run token -- "$$USER"

# USER is an environment variable of every shell; only one given to make is meant.
user_is_given = $(if $(filter command line,$(origin USER)),:,\
	echo '$@: say whose: make -s $@ USER=jane@example.com' >&2; exit 2)

##@ Develop

.PHONY: build
build: ## Build bin/operator, bin/facade and bin/kubectl-enrol
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/...

# Manifests are read by kubectl, so that the test cache does not know of them: hence -count=1.
.PHONY: test
test: k8s bin/tools/idp bin/tools/promcheck bin/tools/helm bin/tools/kustomize chromium ## Run all tests, against a real control plane
	@GO='$(GO)' hack/test.sh -count=1 -timeout 20m ./...
	@GO='$(GO)' hack/test.sh -C hack/gitops -count=1 .

.PHONY: install-test
install-test: k8s build bin/tools/idp bin/tools/helm bin/tools/kustomize ## Install, use and uninstall Enrol in every way that is offered
	cd hack/deploy && $(GO) test -count=1 ./...
	ENROL_TEST_INSTALL=1 $(GO) test -count=1 -timeout 20m -v -run '^TestInstall$$' ./hack/install

.PHONY: image
image: ## Build bin/image.tar, for amd64 and arm64, without Docker, and print its digest
	@mkdir -p bin
	@cd hack/deploy && $(GO) run ./image --source=../.. --output=../../bin/image.tar \
		--version=$(VERSION) --reference=ghcr.io/enrol-dev/enrol:$(VERSION)

# What the browser tests drive.
.PHONY: chromium
chromium:
	@hack/chromium.sh

# The test leaves its pictures in bin/test; those for the documentation are copied.
.PHONY: screenshots
screenshots: k8s bin/tools/idp chromium ## Take the pictures in docs/images anew
	$(GO) test -count=1 -run '^TestScreenshots$$' ./cmd/facade
	@mkdir -p docs/images
	cp bin/test/*.png docs/images/

.PHONY: test-gitops
test-gitops: k8s bin/tools/idp bin/tools/gitops-agent bin/tools/gitops-waves ## Have Argo CD's engine sync a Git repository, with everything running
	ENROL_TEST_GITOPS=1 $(GO) test -count=1 -run "^TestGitOps$$" -v ./config/samples/gitops

.PHONY: clients
clients: k8s bin/tools/idp ## Let published clients of the platforms talk to the facade; needs node and npm
	ENROL_TEST_CLIENTS=1 $(GO) test -count=1 -run TestPublishedClients -v ./cmd/facade

.PHONY: bench
bench: k8s build bin/tools/idp ## Measure Enrol beside plain clients; takes long, and prints a table
	$(GO) run ./hack/bench

.PHONY: generate
generate: ## Make CRDs, RBAC, Go code of types and OpenAPI documents, references, and Argo CD's patch
	$(GO) tool controller-gen paths=./api/... \
		object:headerFile=hack/boilerplate.go.txt \
		applyconfiguration:headerFile=hack/boilerplate.go.txt \
		crd output:crd:artifacts:config=config/crd/bases
	$(GO) tool controller-gen paths=./controllers/... \
		rbac:roleName=enrol:operator,fileName=operator_role.yaml output:rbac:artifacts:config=config/rbac
	@for dialect in avisi dreadnode llamacloud qovery versori; do \
		$(GO) tool -modfile=hack/oapi/go.mod oapi-codegen -config hack/oapi/config.yaml -package $$dialect \
			-o internal/facade/$$dialect/api.gen.go api/openapi/$$dialect.yaml || exit; \
	done
	$(GO) tool -modfile=hack/crdref/go.mod crd-ref-docs --log-level=WARN --config=hack/crdref/config.yaml \
		--source-path=api/v1alpha1 --renderer=markdown --templates-dir=hack/crdref/templates --output-path=docs/reference/api.md
	$(GO) -C hack/gitops run .
	$(GO) run ./hack/reference
	@$(MAKE) manifests

.PHONY: manifests
manifests: bin/tools/kustomize ## Make dist/install.yaml and the chart's copies of what is in config
	@mkdir -p dist/chart/files
	bin/tools/kustomize build config/default -o dist/install.yaml
	bin/tools/kustomize build hack/deploy/crds -o dist/chart/files/crds.yaml
	bin/tools/kustomize build config/rbac -o dist/chart/files/rbac.yaml
	bin/tools/kustomize build config/rbac/facade -o dist/chart/files/rbac_facade.yaml
	bin/tools/kustomize build config/policy -o dist/chart/files/policies.yaml

.PHONY: verify
verify: bin/tools/golangci-lint ## Fail unless the tree is tidy, generated, formatted and free of lint
	@MAKE='$(MAKE)' hack/verify.sh
	@$(MAKE) lint

.PHONY: lint
lint: bin/tools/golangci-lint ## Lint, layering included
	bin/tools/golangci-lint run
	cd hack/idp && ../../bin/tools/golangci-lint run
	$(GO) tool -modfile=hack/actionlint/go.mod actionlint -shellcheck= -pyflakes=
	cd hack/gitops && CGO_ENABLED=0 GOFLAGS=-trimpath ../../bin/tools/golangci-lint run
	cd hack/promql && ../../bin/tools/golangci-lint run
	cd hack/deploy && ../../bin/tools/golangci-lint run

.PHONY: fmt
fmt: bin/tools/golangci-lint ## Format
	bin/tools/golangci-lint fmt

.PHONY: tidy
tidy: ## Tidy every module
	$(GO) mod tidy
	cd hack/actionlint && $(GO) mod tidy
	cd hack/controlplane && $(GO) mod tidy
	cd hack/crdref && $(GO) mod tidy
	cd hack/gitops && $(GO) mod tidy
	cd hack/deploy && $(GO) mod tidy
	cd hack/idp && $(GO) mod tidy
	cd hack/lint && $(GO) mod tidy
	cd hack/oapi && $(GO) mod tidy
	cd hack/promql && $(GO) mod tidy

.PHONY: clean
clean: ## Remove everything built, and the data of `make run`
	rm -rf bin

##@ Tools, built once from pinned modules

K8S_DIR ?= bin/k8s
K8S_MODULE := hack/controlplane/go.mod
K8S_BINARIES := etcd kube-apiserver kube-controller-manager kubectl
# What is in KUBEBUILDER_ASSETS already is used from there.
K8S_GIVEN := $(if $(KUBEBUILDER_ASSETS),$(notdir $(wildcard $(K8S_BINARIES:%=$(KUBEBUILDER_ASSETS)/%))))

.PHONY: k8s
k8s: $(addprefix $(K8S_DIR)/,$(filter-out $(K8S_GIVEN),$(K8S_BINARIES))) ## Build etcd and Kubernetes' binaries

# The binaries ask the linker for their version; without one, kubectl cannot make sense of the API server's.
K8S_VERSION = $(shell sed -n 's|^.*[[:space:]]k8s.io/kubernetes \(v[^[:space:]]*\).*|\1|p' $(K8S_MODULE))
K8S_NUMBERS = $(subst ., ,$(K8S_VERSION:v%=%))
K8S_VERSION_FLAGS = $(foreach package,k8s.io/component-base/version k8s.io/client-go/pkg/version,\
	-X $(package).gitVersion=$(K8S_VERSION)\
	-X $(package).gitMajor=$(word 1,$(K8S_NUMBERS))\
	-X $(package).gitMinor=$(word 2,$(K8S_NUMBERS))\
	-X $(package).gitTreeState=clean)

K8S_TIME_etcd := under a minute
K8S_TIME_kube-apiserver := 1 to 7 minutes
K8S_TIME_kube-controller-manager := 1 to 3 minutes
K8S_TIME_kubectl := 1 to 2 minutes

$(K8S_DIR)/etcd: K8S_PACKAGE := go.etcd.io/etcd/server/v3
$(K8S_DIR)/etcd: K8S_FLAGS := -s -w
$(K8S_DIR)/kube%: K8S_PACKAGE = k8s.io/kubernetes/cmd/$(@F)
$(K8S_DIR)/kube%: K8S_FLAGS = -s -w $(K8S_VERSION_FLAGS)
$(K8S_BINARIES:%=$(K8S_DIR)/%): $(K8S_MODULE)
	@echo "building $(@F) ($(K8S_TIME_$(@F)) the first time) ..."
	@cd $(dir $(K8S_MODULE)) && \
		CGO_ENABLED=0 $(GO) build -trimpath -ldflags='$(strip $(K8S_FLAGS))' -o '$(abspath $@)' $(K8S_PACKAGE)
	@touch $@

bin/tools/golangci-lint: hack/lint/go.mod
	@echo "building golangci-lint (1 to 3 minutes the first time) ..."
	@cd hack/lint && CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o '$(abspath $@)' \
		sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter
	@touch $@

# Built, and linted, with the same flags, so that a second build finds the first one's packages.
bin/tools/gitops-agent: GITOPS_PACKAGE := github.com/argoproj/argo-cd/gitops-engine/agent
bin/tools/gitops-waves: GITOPS_PACKAGE := ./waves
bin/tools/gitops-waves: $(wildcard hack/gitops/waves/*.go hack/gitops/lua/*.go)
bin/tools/gitops-%: hack/gitops/go.mod
	@echo "building $(@F) with Argo CD's GitOps engine (1 to 5 minutes the first time) ..."
	@cd hack/gitops && CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o '$(abspath $@)' $(GITOPS_PACKAGE)
	@touch $@

bin/tools/idp: hack/idp/go.mod $(wildcard hack/idp/*.go)
	@echo "building the identity provider (1 to 3 minutes the first time) ..."
	@cd hack/idp && CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o '$(abspath $@)' .
	@touch $@

bin/tools/promcheck: hack/promql/go.mod $(wildcard hack/promql/*.go)
	@echo "building promcheck (1 to 3 minutes the first time) ..."
	@cd hack/promql && CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o '$(abspath $@)' .
	@touch $@

bin/tools/kustomize: hack/deploy/go.mod
	@echo "building kustomize (under a minute the first time) ..."
	@cd hack/deploy && CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o '$(abspath $@)' \
		sigs.k8s.io/kustomize/kustomize/v5
	@touch $@

# Without a cluster to ask, Helm takes the version that the linker was given for the cluster's.
HELM_FLAGS = -s -w -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=$(word 1,$(K8S_NUMBERS))\
	-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$(word 2,$(K8S_NUMBERS))

bin/tools/helm: hack/deploy/go.mod $(K8S_MODULE)
	@echo "building helm (1 to 2 minutes the first time) ..."
	@cd hack/deploy && CGO_ENABLED=0 $(GO) build -trimpath -ldflags='$(strip $(HELM_FLAGS))' -o '$(abspath $@)' \
		helm.sh/helm/v3/cmd/helm
	@touch $@

# Whether it is up to date is for the go command to say.
.PHONY: bin/tools/run
bin/tools/run:
	@CGO_ENABLED=0 $(GO) build -trimpath -o $@ ./hack/run
