"""The word vectors for semble: those that Naestro ships, as a Model2Vec folder, written by the tool that made them."""

import subprocess
import sys
from pathlib import Path

from bench.index.peers import NoPeers
from bench.stand import ROOT
from naestro.config import cache

WRITE_S = 120


def semble_model() -> Path:
    """The folder, made once. Raises `NoPeers`."""
    folder = cache() / "bench" / "semble-model"
    if not (folder / "model.safetensors").exists():
        command = [sys.executable, "-m", "tools.static_embedding", "--model2vec", str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WRITE_S, check=False)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["it gave no reason"]
            raise NoPeers(f"semble's model cannot be written: {said[-1]}")
    return folder
