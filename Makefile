# Thin on purpose: every target is one script. Needs Python 3.11+ and nothing else;
# PYTHON=... chooses the interpreter, ARGS=... is handed on.
.PHONY: help demo show test unit e2e check fix bench lock docs chart env
.DEFAULT_GOAL := help

help:
	@echo "make demo    see candidates elect a leader on this machine (ARGS=--kubernetes: on a cluster)"
	@echo "make show    build image and cluster, gate a foreign image, show the fail-over"
	@echo "make test    make the environment, run every check and every test"
	@echo "make unit    the fast tests only       (ARGS=... goes to pytest)"
	@echo "make e2e     the chart and the image on a kind cluster (some minutes; docs/e2e.md)"
	@echo "make check   formats, lint, types, layers, versions"
	@echo "make fix     repair what can be repaired by machine"
	@echo "make bench   compare with other electors on one API server"
	@echo "make docs    write the generated pages again"
	@echo "make chart   write the chart's README and the manifests again"
	@echo "make lock    pin the requirements again"

demo:
	@python=$$(.ci/python) && "$$python" .ci/env.py demo
	@.venv-demo/bin/k8s-leader demo $(ARGS)

show: env
	@.venv/bin/python -m tests.e2e.show

env:
	@python=$$(.ci/python) && "$$python" .ci/env.py dev

test: env
	@.ci/test

unit: env
	@.venv/bin/python -m pytest tests/unit -q $(ARGS)

e2e: env
	@.ci/e2e

check: env
	@.ci/check

fix: env
	@.ci/fix

bench: env
	@.venv/bin/python -m bench $(ARGS)

docs: env
	@.venv/bin/python docs/write_settings.py
	@.venv/bin/python docs/write_metrics.py
	@.venv/bin/python docs/write_figures.py
	@.venv/bin/python docs/draw_rollout.py

chart: env
	@.venv/bin/python helm/write.py

lock: env
	@.ci/lock
