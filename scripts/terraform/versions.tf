terraform {
  required_version = ">= 1.11"

  required_providers {
    hcloud = {
      source = "hetznercloud/hcloud"
      # 1.62 is the first without data centers. The exact one is in .terraform.lock.hcl, which the first init writes: commit it.
      version = "~> 1.62"
    }
  }
}

# The token is in HCLOUD_TOKEN, and nowhere else.
provider "hcloud" {}
