# An address of its own: agents know it, so it stays when the machine is made anew.
resource "hcloud_primary_ip" "control_plane" {
  name              = "${var.cluster}-control-plane"
  type              = "ipv4"
  location          = var.location
  auto_delete       = false
  delete_protection = var.protect
  labels            = merge(local.labels, { role = "control-plane" })
}

locals {
  advertise = "${hcloud_primary_ip.control_plane.ip_address}:${local.tunnel_port}"

  control_plane_user_data = templatefile("${path.module}/control-plane.yaml.tftpl", {
    unit                 = file("${path.module}/../systemd/payperplay-controller.service")
    install              = file("${path.module}/install.sh")
    advertise            = local.advertise
    controller_downloads = var.controller_downloads
    agent_downloads      = var.agent_downloads
    ui_host              = var.ui_host
    operator_token       = var.operator_token
    hcloud_token         = var.controller_hcloud_token
  })
}

resource "hcloud_server" "control_plane" {
  name               = "${var.cluster}-control-plane"
  server_type        = var.control_plane_type
  image              = var.image
  location           = var.location
  backups            = var.control_plane_backups
  firewall_ids       = [hcloud_firewall.control_plane.id]
  placement_group_id = one(hcloud_placement_group.spread[*].id)
  delete_protection  = var.protect
  rebuild_protection = var.protect # the API wants both alike
  keep_disk          = true        # so that it can be made smaller again
  user_data          = local.control_plane_user_data
  labels             = merge(local.labels, { role = "control-plane" })

  public_net {
    ipv4         = hcloud_primary_ip.control_plane.id
    ipv4_enabled = true
    ipv6_enabled = true
  }

  lifecycle {
    precondition {
      condition     = length(local.control_plane_user_data) <= 32768
      error_message = "The user-data is larger than the 32 KiB that Hetzner takes: shorten the addresses of the downloads."
    }

    ignore_changes = [
      # It is read at the first boot only, yet a change would replace the machine and all state on it. New versions are installed
      # on it; a machine that is to be made anew: terraform apply -replace=hcloud_server.control_plane.
      user_data,
      # The system is updated on the machine; a new default here would replace it.
      image,
    ]
  }
}

resource "hcloud_server_network" "control_plane" {
  server_id = hcloud_server.control_plane.id
  subnet_id = hcloud_network_subnet.fixed.id
  ip        = cidrhost(var.subnet_cidr, 2)
}
