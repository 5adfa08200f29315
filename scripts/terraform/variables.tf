variable "cluster" {
  description = "Name of this installation: begins the names of everything here, and is its label."
  type        = string
  default     = "payperplay"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.cluster))
    error_message = "3 to 32 of a-z, 0-9 and -, beginning with a letter."
  }
}

variable "location" {
  description = "Where both machines and their addresses are, like nbg1. A change makes them anew."
  type        = string
  default     = "nbg1"

  validation {
    condition     = can(regex("^[a-z]{3}[0-9]$", var.location))
    error_message = "A location of Hetzner Cloud, like nbg1, fsn1 or hel1."
  }
}

variable "network_zone" {
  description = "Network zone that the location is in."
  type        = string
  default     = "eu-central"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+$", var.network_zone))
    error_message = "A network zone of Hetzner Cloud, like eu-central."
  }
}

variable "network_cidr" {
  description = "Private network: edge and workers talk to each other in it."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.network_cidr, 0)) && try(tonumber(split("/", var.network_cidr)[1]) <= 24, false)
    error_message = "A private IPv4 network of /24 or larger, like 10.40.0.0/16."
  }

  validation {
    condition     = try(cidrhost(format("%s/%d", split("/", var.network_cidr)[0], min(16, tonumber(split("/", var.network_cidr)[1]))), 0) != cidrhost(format("10.213.0.0/%d", min(16, tonumber(split("/", var.network_cidr)[1]))), 0), false)
    error_message = "It may not overlap 10.213.0.0/16, which agents cut their bridges from."
  }
}

variable "subnet_cidr" {
  description = "The part of it that the machines here are in."
  type        = string
  default     = "10.40.0.0/24"

  validation {
    condition     = can(cidrhost(var.subnet_cidr, 10))
    error_message = "A part of network_cidr, like 10.40.0.0/24."
  }
}

variable "image" {
  description = "System of both machines."
  type        = string
  default     = "debian-12"

  validation {
    condition     = contains(["debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04"], var.image)
    error_message = "One of debian-12, debian-13, ubuntu-22.04, ubuntu-24.04."
  }
}

variable "control_plane_type" {
  description = "Server type of the control plane. A change resizes it, with a stop of the controller; games run on."
  type        = string
  default     = "cax11"

  validation {
    condition     = can(regex("^[a-z]+[0-9]+$", var.control_plane_type))
    error_message = "A server type of Hetzner Cloud, like cax11: controller cloud price lists them."
  }
}

variable "control_plane_backups" {
  description = "Hetzner's daily backups of the control plane, at a fifth of its price more."
  type        = bool
  default     = false
}

variable "edge" {
  description = "Whether the edge is there. Off for the first apply: it needs a join token, and the control plane gives them."
  type        = bool
  default     = false
}

variable "edge_type" {
  description = "Server type of the edge."
  type        = string
  default     = "cax11"

  validation {
    condition     = can(regex("^[a-z]+[0-9]+$", var.edge_type))
    error_message = "A server type of Hetzner Cloud, like cax11: controller cloud price lists them."
  }
}

variable "edge_join_token" {
  description = "Join token with the role edge. Used once, within 15 minutes; leave it out again afterwards. Give it as TF_VAR_edge_join_token."
  type        = string
  default     = ""
  sensitive   = true

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]*$", var.edge_join_token))
    error_message = "Only the token itself, as controller node token create --roles edge prints it behind --token."
  }
}

variable "ca_pins" {
  description = "What the edge trusts the controller by: sha256:… behind --ca-pin in the join command."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for pin in var.ca_pins : can(regex("^sha256:[0-9A-Za-z+/=_-]{43,64}$", pin))])
    error_message = "Each is sha256: and the sum, as the join command shows it."
  }
}

variable "spread" {
  description = "Keeps both machines on different hardware."
  type        = bool
  default     = true
}

variable "protect" {
  description = "Hetzner refuses to delete the control plane and its address until this is off."
  type        = bool
  default     = true
}

variable "controller_downloads" {
  description = "Where the control plane gets its program, by architecture: address and SHA-256. Only that of its own architecture is needed."
  type        = map(object({ url = string, sha256 = string }))

  validation {
    condition     = length(var.controller_downloads) > 0 && length(setsubtract(keys(var.controller_downloads), ["amd64", "arm64"])) == 0
    error_message = "Keys are amd64 and arm64; at least one is needed."
  }

  validation {
    condition     = alltrue([for d in values(var.controller_downloads) : can(regex("^https://[^\\s'\"\\\\$`]+$", d.url)) && can(regex("^[0-9a-f]{64}$", d.sha256))])
    error_message = "Each has an https address, and a SHA-256 of 64 hex digits."
  }
}

variable "agent_downloads" {
  description = "Where the machines get the agent, by architecture. The control plane keeps both, for the machines that it rents."
  type        = map(object({ url = string, sha256 = string }))

  validation {
    condition     = length(var.agent_downloads) > 0 && length(setsubtract(keys(var.agent_downloads), ["amd64", "arm64"])) == 0
    error_message = "Keys are amd64 and arm64; at least one is needed."
  }

  validation {
    condition     = alltrue([for d in values(var.agent_downloads) : can(regex("^https://[^\\s'\"\\\\$`]+$", d.url)) && can(regex("^[0-9a-f]{64}$", d.sha256))])
    error_message = "Each has an https address, and a SHA-256 of 64 hex digits."
  }
}

variable "ui_host" {
  description = "Name that people open in the browser. With it, Caddy gets a certificate and ports 80 and 443 are open; without it the web UI is not reachable from outside."
  type        = string
  default     = ""

  validation {
    condition     = var.ui_host == "" || can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\\.[a-z]{2,}$", var.ui_host))
    error_message = "A host name, like control.example.com, or empty."
  }
}

variable "ui_sources" {
  description = "From where the web UI may be opened. A certificate by HTTP needs port 80 open to all."
  type        = list(string)
  default     = ["0.0.0.0/0", "::/0"]

  validation {
    condition     = length(var.ui_sources) > 0 && alltrue([for c in var.ui_sources : can(cidrhost(c, 0))])
    error_message = "Networks like 192.0.2.0/24, at least one."
  }
}

variable "operator_token" {
  description = "The operator's login, chosen beforehand because nobody logs in on the machine: openssl rand -hex 32. Give it as TF_VAR_operator_token. Empty = the controller makes one, to be read on Hetzner's web console."
  type        = string
  default     = ""
  sensitive   = true

  validation {
    condition     = var.operator_token == "" || can(regex("^[A-Za-z0-9_-]{32,128}$", var.operator_token))
    error_message = "32 to 128 letters and digits."
  }
}

variable "controller_hcloud_token" {
  description = "Token (read and write) that the controller rents machines with. Give it as TF_VAR_controller_hcloud_token. Empty = put it on the machine yourself."
  type        = string
  default     = ""
  sensitive   = true

  validation {
    condition     = var.controller_hcloud_token == "" || can(regex("^[A-Za-z0-9]{64}$", var.controller_hcloud_token))
    error_message = "A token of Hetzner Cloud has 64 letters and digits."
  }
}

variable "dns_zone" {
  description = "Zone at Hetzner DNS in this project that gets the records below; empty = none."
  type        = string
  default     = ""

  validation {
    condition     = var.dns_zone == "" || can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?\\.[a-z]{2,}$", var.dns_zone))
    error_message = "The name of a zone, like example.com, or empty."
  }
}

variable "dns_control_plane" {
  description = "Name in the zone for the control plane."
  type        = string
  default     = "control"

  validation {
    condition     = can(regex("^(@|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$", var.dns_control_plane))
    error_message = "A name below the zone, like control."
  }
}

variable "dns_play" {
  description = "Name in the zone for players: it and every name below it lead to the edge."
  type        = string
  default     = "play"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", var.dns_play))
    error_message = "A name below the zone, like play."
  }
}
