"""Speed against peers, as ratios measured side by side: `make bench`.

`run` measures everything; `engines` and `embeddings` are inference, `training` is training, `tables` reads and summarises.
"""
