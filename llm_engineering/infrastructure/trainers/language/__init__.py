"""Fine-tuning of language models: supervised (SFT) and by preferences (DPO), with TRL and PEFT."""
