# The commands of this repository. Run `make` to list them.
# The only needs on the machine: Python >= 3.11 with venv, Terraform >= 1.9 and, for the databases, Debian.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV   := .venv
PYTHON := $(VENV)/bin/python
# pip's own settings and the caller's Terraform settings must not change what is built here (where Terraform gets its
# providers from is the caller's to say).
unexport TF_CLI_ARGS TF_DATA_DIR TF_WORKSPACE PYTHONPATH

# The name of what runs, so that a long run can be followed and a failure found.
comma := ,
phase = @printf '── %s\n' '$(1)'

.PHONY: help
help: ## List the commands.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-9s %s\n", $$1, $$2 }'

.PHONY: install
install: $(VENV)/.installed ## Make .venv from tools/requirements (again only when those changed).
	@:

$(VENV)/.installed: tools/requirements/dev.txt tools/requirements/demo.txt tools/rotation_lab/pyproject.toml tools/dev/venv.sh
	@bash tools/dev/venv.sh $(VENV) tools/requirements/dev.txt tools/rotation_lab
	@touch $@

# Half of the packages will do for the sandbox. Where .venv is there with all of them, it is taken.
SMALL := $(if $(wildcard $(VENV)/.installed),$(VENV),.cache/demo)

.cache/demo/.installed: tools/requirements/demo.txt tools/rotation_lab/pyproject.toml tools/dev/venv.sh
	@bash tools/dev/venv.sh .cache/demo tools/requirements/demo.txt tools/rotation_lab
	@touch $@

.PHONY: terraform
terraform: # is asked for before anything is installed
	@command -v terraform >/dev/null || { echo "terraform is not on PATH. Install Terraform 1.9 or later: docs/without-registry.md says how, also without network." >&2; exit 2; }

.PHONY: demo
demo: terraform $(SMALL)/.installed ## Apply, rotate and destroy examples in a local AWS; EXAMPLE=name for one of examples/.
	@$(SMALL)/bin/python -m tools.dev.demo $(EXAMPLE)

.PHONY: sandbox
sandbox: $(SMALL)/.installed ## Run the local AWS until Ctrl-C; PORT=4566.
	@exec $(SMALL)/bin/python -m rotation_lab.sandbox $(if $(PORT),--port $(PORT))

.PHONY: try
try: $(SMALL)/.installed ## Try your own target file against the local AWS; TARGET=path/to/my_target.py (more in tools/dev/try_target.py).
	@$(SMALL)/bin/python -m tools.dev.try_target $(or $(TARGET),$(error say which file: make try TARGET=path/to/my_target.py))

# Two workers, a file each: half of the time goes by waiting for Terraform's provider. The slow files come first, so
# that no worker ends with one alone. PYTEST= adds options.
# WORLDS=1: the odd worlds of servers get all cases of the contract, in place of a sample (10 minutes more).
.PHONY: test
test: install debian layer lint ## Run all tests: checks, unit, property, targets, sandbox, end to end.
	$(call phase,tests: unit$(comma) property$(comma) targets$(comma) faults$(comma) sandbox$(comma) end to end (minutes))
	@$(if $(WORLDS),WORLDS=1) $(PYTHON) -m pytest --quiet -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST)

# No server, no Terraform, no layer: only .venv.
.PHONY: unit
unit: install ## Run the unit and property tests alone: seconds, and nothing but .venv.
	@$(PYTHON) -m pytest --quiet -p no:xdist --hypothesis-profile quick tests/unit tests/property $(PYTEST)

.PHONY: doctor
doctor: $(SMALL)/.installed ## Say what state rotations are in, and the next command; SECRET=name, FUNCTION=name, OPTIONS=--json.
	@$(SMALL)/bin/python -m tools.dev.doctor $(SECRET) $(if $(FUNCTION),--function $(FUNCTION)) $(OPTIONS)

.PHONY: revoke
revoke: $(SMALL)/.installed ## Rotate until the value that a secret has now opens nothing any more; SECRET=name, OPTIONS=--after-consumers.
	@$(SMALL)/bin/python -m tools.dev.revoke $(or $(SECRET),$(error say which secret: make revoke SECRET=name)) $(OPTIONS)

.PHONY: faults
faults: install debian ## Break the function at every call it makes; TARGET=name, FUNCTION=folder of another one, ALL=1, QUICK=1, REST=1.
	@$(PYTHON) -m rotation_lab.crash --function "$(or $(FUNCTION),lambda_src)" $(if $(FUNCTION),,--cases tests/faults/cases.py) \
		$(if $(TARGET),--case "$(TARGET)") $(if $(ALL),--all) $(if $(QUICK),--quick) $(if $(REST),--rest) $(if $(DOCS),--json build/faults.json)
	@$(if $(DOCS),$(PYTHON) -m tools.dev.safety $(if $(REST),--rest,$(if $(QUICK),,--full)) build/faults.json)

.PHONY: operating
operating: install debian ## Every bad day for every target: preflight, diagnose, and the runbooks' commands.
	@WORLDS=1 $(PYTHON) -m pytest --quiet -n 2 --dist loadfile tests/targets -k Operating $(PYTEST)

# MySQL itself, which Debian does not have, comes from Maven (34 MB). Its suite is that of MariaDB, and more.
.PHONY: mysql
mysql: install debian layer .cache/mysql ## Run the tests of mysql on MySQL 8.0, its crash tests and its example.
	@MYSQL8=1 $(PYTHON) -m pytest --quiet -p no:xdist tests/targets/test_mysql.py tests/targets/test_mysql_dual.py $(PYTEST)
	@$(PYTHON) -m rotation_lab.crash --function lambda_src --cases tests.faults.mysql8
	@$(PYTHON) -m tools.dev.demo mysql-dual-passwords

# Samba as a domain controller needs root, and half a minute to be ready.
.PHONY: active-directory
active-directory: install ## Run the tests of ldap on an Active Directory domain controller (Samba).
	@bash tools/dev/debian.sh samba
	@SAMBA=1 $(PYTHON) -m pytest --quiet -p no:xdist tests/targets/test_ldap_active_directory.py $(PYTEST)

# FerretDB is built from the Go module proxy: two minutes, once on a machine.
.PHONY: mongodb
mongodb: install ## Run the tests of mongodb on FerretDB, its crash tests and its example.
	@export FERRETDB=$(call GO_TOOL,ferretdb); \
		$(PYTHON) -m pytest --quiet -p no:xdist tests/targets/test_mongodb.py $(PYTEST) && \
		$(PYTHON) -m rotation_lab.crash --function lambda_src --cases tests.faults.mongodb $(if $(DOCS),--json build/mongodb.json) && \
		$(PYTHON) -m tools.dev.demo mongodb
	@$(if $(DOCS),$(PYTHON) -m tools.dev.safety --full build/mongodb.json)

.cache/mysql .cache/keycloak .cache/opensearch .cache/opensearch-security:
	@$(PYTHON) -m tools.dev.maven $(notdir $@)

# PyGreSQL is built here: it needs a C compiler and libpq (Debian: gcc, libpq-dev, python3-dev for Debian's Python).
.PHONY: templates
templates: install debian ## Rotate twice with AWS's own templates; TEMPLATES=checkout of aws-secrets-manager-rotation-lambdas.
	@test -d "$(TEMPLATES)" || { echo "say where the checkout is: make templates TEMPLATES=folder" >&2; exit 2; }
	@$(PYTHON) -m pip install --quiet --upgrade --target build/template-drivers PyGreSQL==6.2.3 PyMySQL==1.2.4
	@AWS_TEMPLATES="$(TEMPLATES)" TEMPLATE_DRIVERS=build/template-drivers \
		$(PYTHON) -m pytest --quiet -p no:xdist tests/lab/test_aws_templates.py $(PYTEST)

.PHONY: mutants
mutants: install debian ## Change the function's code in small ways and list the changes that no test notices; FILE=rotation.py.
	@$(PYTHON) -m tools.dev.mutants $(FILE) $(if $(DOCS),--docs)

.PHONY: lint
lint: install ## Check style, types, Terraform, shell, links and spelling: what takes seconds. A part of `make test`.
	$(call phase,style: ruff)
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet .
	$(call phase,types: mypy)
	@$(VENV)/bin/mypy --no-error-summary lambda_src tools tests
	$(call phase,documents: links$(comma) sentences$(comma) spelling)
	@$(PYTHON) -m tools.dev.prose
	@$(VENV)/bin/codespell $(SPELLED)
	$(call phase,shell: shellcheck)
	@$(VENV)/bin/shellcheck tools/dev/*.sh .ci/run
	$(call phase,Terraform: fmt and validate)
	@$(PYTHON) -m tools.dev.validate

SPELLED := *.md *.tf Makefile .github docs examples lambda_src modules tools tests
CHECKS  := .cache/checks
GO_TOOL = "$$($(PYTHON) -m tools.dev.go_tools $(1))"

# tflint, terraform-docs and actionlint are built from the Go module proxy: minutes, once on a machine.
.PHONY: check
check: lint $(CHECKS)/.installed ## Run all checks: those of `make lint`, tflint, terraform-docs, actionlint and checkov.
	$(call phase,Terraform: tflint)
	@tflint=$(call GO_TOOL,tflint); for folder in $(sort $(dir $(wildcard *.tf modules/*/*.tf examples/*/*.tf))); do \
		"$$tflint" --chdir "$$folder" --config "$(CURDIR)/tools/dev/checks/tflint.hcl"; done
	$(call phase,tables$(comma) inputs and outputs of the README: terraform-docs)
	@$(PYTHON) -m tools.dev.readme --check
	@docs=$(call GO_TOOL,terraform-docs); "$$docs" $(DOCS_OPTIONS) --output-check .
	$(call phase,GitHub workflows: actionlint)
	@actionlint=$(call GO_TOOL,actionlint); "$$actionlint" -shellcheck $(VENV)/bin/shellcheck
	$(call phase,security of the configuration: checkov)
	@$(CHECKS)/bin/checkov --config-file tools/dev/checks/checkov.yaml
	@# It passes over a file that it cannot parse, without failing.
	@for file in *.tf modules/*/*.tf examples/*/*.tf; do test ! -f "$$file" || \
		$(CHECKS)/bin/hcl2tojson "$$file" >/dev/null 2>&1 || { echo "checkov cannot parse $$file" >&2; exit 1; }; done

DOCS_OPTIONS := -c tools/dev/checks/terraform-docs.yml --output-file README.md --output-mode inject

$(CHECKS)/.installed: tools/requirements/check.txt tools/dev/venv.sh
	@bash tools/dev/venv.sh $(CHECKS) tools/requirements/check.txt
	@touch $@

# Needs no more than boto3 and the caller's AWS credentials; REPORT= adds options (python -m tools.dev.report --help).
.PHONY: report
report: install ## Write build/rotation-report.csv and .json: the secrets of a region for an auditor; REPORT="--prefix prod/".
	@$(PYTHON) -m tools.dev.report $(REPORT)

.PHONY: bench
bench: install layer ## Measure cold starts, rotations, a fleet at AWS's quotas and in Terraform; PART=, TEMPLATES=folder, DOCS=1, SECRETS=1000.
	@$(PYTHON) -m tools.dev.bench $(PART) $(if $(TEMPLATES),--templates "$(TEMPLATES)") $(if $(SECRETS),--secrets $(SECRETS)) $(if $(DOCS),--docs)

# What is not in Debian comes from PyPI, with Go from the Go module proxy, and with Maven (260 MB) from its repositories,
# into .cache. Keycloak and OpenSearch need Java 17.
.PHONY: recipes
recipes: install debian .cache/keycloak .cache/opensearch .cache/opensearch-security ## Run the recipes of docs/recipes that have a server here, and write their table; PYTEST=.
	@bash tools/dev/recipe_servers.sh
	@RECIPES=docs/results/recipes.json $(PYTHON) -m pytest --quiet -p no:xdist tests/recipes/test_proofs.py $(PYTEST)
	@$(PYTHON) -m tools.dev.recipes_page

.PHONY: layer
layer: build/drivers.zip ## Build build/drivers.zip, the Lambda layer with the database drivers.
	@:

# Any Python with pip will do: the one of .venv, if it is there already.
build/drivers.zip: tools/requirements/layer.txt tools/dev/layer.py
	@$(or $(wildcard $(PYTHON)),python3) tools/dev/layer.py

.PHONY: package
package: ## Build the files of a release in build/release: function, layer, bill of materials, checksums; VERSION=1.2.3, BYTECODE=python3.13.
	@$(or $(wildcard $(PYTHON)),python3) tools/dev/package.py $(or $(VERSION),$(if $(BYTECODE),unreleased)) $(BYTECODE)

.PHONY: examples
examples: install debian layer .cache/mysql ## Apply, rotate and destroy each example, copied away from the repository; EXAMPLE=name.
	@EXAMPLES="$(or $(EXAMPLE),all)" $(PYTHON) -m pytest --quiet -n 2 tests/e2e/test_copied_examples.py tests/e2e/test_aws_check.py $(PYTEST)

# Built from source once, which takes about 15 minutes of two cores.
.PHONY: compat
compat: install ## Try the oldest and newest Terraform and OpenTofu; DOCS=1 writes the tables of docs/compatibility.md.
	@$(PYTHON) -m tools.dev.provider_schemas $(if $(DOCS),--docs)
	@$(PYTHON) -m tools.dev.compat $(if $(DOCS),--docs)

.PHONY: aws-check
aws-check: terraform $(SMALL)/.installed ## Apply, rotate and destroy one secret in your own AWS account; it asks first.
	@$(SMALL)/bin/python -m tools.dev.aws_check

.PHONY: debian
debian: ## Install the servers that the tests use, where missing (Debian packages).
	@bash tools/dev/debian.sh

.PHONY: docs
docs: install ## Write what is generated: docs/settings.md from the catalogue, tables of the README from the sources.
	@$(PYTHON) -m tools.dev.settings_page
	@$(PYTHON) -m tools.dev.readme
	@docs=$(call GO_TOOL,terraform-docs); "$$docs" $(DOCS_OPTIONS) .

.PHONY: pictures
pictures: install ## Draw the picture of the README; DEMO=1 records the demo too.
	@$(PYTHON) -m tools.dev.pictures $(if $(DEMO),--demo)

.PHONY: changes
changes: install ## Change each variable of an applied call in the local AWS and write the table of docs/changes.md: minutes.
	@$(PYTHON) -m tools.dev.changes_page

.PHONY: clean
clean: ## Remove everything that the other commands made.
	rm -rf $(VENV) .cache build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name .terraform -type d -prune -exec rm -rf {} +
	find . -name .terraform.lock.hcl -type f -delete
