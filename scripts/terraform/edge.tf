# Players' DNS names lead to it.
resource "hcloud_primary_ip" "edge" {
  count = var.edge ? 1 : 0

  name              = "${var.cluster}-edge"
  type              = "ipv4"
  location          = var.location
  auto_delete       = false
  delete_protection = var.protect
  labels            = merge(local.labels, { role = "edge" })
}

locals {
  edge_user_data = templatefile("${path.module}/edge.yaml.tftpl", {
    unit            = file("${path.module}/../systemd/payperplay-agent.service")
    install         = file("${path.module}/install.sh")
    advertise       = local.advertise
    agent_downloads = var.agent_downloads
    ca_pins         = var.ca_pins
    join_token      = var.edge_join_token
  })
}

resource "hcloud_server" "edge" {
  count = var.edge ? 1 : 0

  name               = "${var.cluster}-edge"
  server_type        = var.edge_type
  image              = var.image
  location           = var.location
  firewall_ids       = [hcloud_firewall.edge.id]
  placement_group_id = one(hcloud_placement_group.spread[*].id)
  keep_disk          = true
  user_data          = local.edge_user_data
  labels             = merge(local.labels, { role = "edge" })

  public_net {
    ipv4         = hcloud_primary_ip.edge[0].id
    ipv4_enabled = true
    ipv6_enabled = true
  }

  lifecycle {
    precondition {
      condition     = length(var.ca_pins) > 0
      error_message = "An edge needs ca_pins: controller node token create --roles edge prints them behind --ca-pin."
    }
    precondition {
      condition     = length(local.edge_user_data) <= 32768
      error_message = "The user-data is larger than the 32 KiB that Hetzner takes: shorten the addresses of the downloads."
    }

    ignore_changes = [
      # The join token in it is spent after the first boot and left out of later plans; a change would replace the machine.
      user_data,
      # The system is updated on the machine; a new default here would replace it.
      image,
    ]
  }
}

resource "hcloud_server_network" "edge" {
  count = var.edge ? 1 : 0

  server_id = hcloud_server.edge[0].id
  subnet_id = hcloud_network_subnet.fixed.id
  ip        = cidrhost(var.subnet_cidr, 3)
}
