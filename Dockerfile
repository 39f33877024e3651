# Everything that the commands need, for NVIDIA GPUs. Code, corpora and runs stay in the clone, which is mounted:
# docs/install.md has the two commands.

# PyTorch brings the libraries of CUDA itself; the image lets the driver in, and refuses one that is too old.
ARG CUDA=13.0.1
FROM nvidia/cuda:${CUDA}-base-ubuntu24.04

# Ubuntu's own versions: a pinned one is deleted from its servers when the next comes.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends git python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

# Where PyTorch comes from: that of PyPI is made for the CUDA above.
ARG TORCH_INDEX=https://pypi.org/simple
ENV PATH=/opt/venv/bin:${PATH}
COPY requirements.txt /opt/requirements.txt
# hadolint ignore=DL3013
RUN python3 -m venv /opt/venv \
    && python -m pip install --no-cache-dir --index-url "${TORCH_INDEX}" torch torchvision \
    && python -m pip install --no-cache-dir --requirement /opt/requirements.txt

# Whoever runs it (docker run --user) has a name, and a home for caches. Git reads a clone of any owner.
ENV HOME=/tmp USER=mstfnet GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=/mstfnet
USER 1000:1000
WORKDIR /mstfnet
CMD ["python", "main.py", "--help"]
