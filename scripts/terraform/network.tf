locals {
  # `controller cloud gc` looks at managed-by=payperplay only: with this label it never touches what is here.
  labels       = { managed-by = "terraform", cluster = var.cluster }
  tunnel_port  = 8443
  players_port = 25565
  everywhere   = ["0.0.0.0/0", "::/0"]
}

resource "hcloud_network" "private" {
  name     = "${var.cluster}-private"
  ip_range = var.network_cidr
  labels   = merge(local.labels, { role = "network" })
}

resource "hcloud_network_subnet" "fixed" {
  network_id   = hcloud_network.private.id
  type         = "cloud"
  network_zone = var.network_zone
  ip_range     = var.subnet_cidr
}

# Nothing that is not named gets in; what goes out is free. No rule is for ssh: nobody logs in.
resource "hcloud_firewall" "control_plane" {
  name   = "${var.cluster}-control-plane"
  labels = merge(local.labels, { role = "control-plane" })

  rule {
    description = "agents dial in"
    direction   = "in"
    protocol    = "tcp"
    port        = tostring(local.tunnel_port)
    source_ips  = local.everywhere
  }

  dynamic "rule" {
    for_each = var.ui_host == "" ? {} : { "80" = "to the certificate and on to https", "443" = "web UI and API" }
    content {
      description = rule.value
      direction   = "in"
      protocol    = "tcp"
      port        = rule.key
      source_ips  = var.ui_sources
    }
  }
}

resource "hcloud_firewall" "edge" {
  name   = "${var.cluster}-edge"
  labels = merge(local.labels, { role = "edge" })

  rule {
    description = "players"
    direction   = "in"
    protocol    = "tcp"
    port        = tostring(local.players_port)
    source_ips  = local.everywhere
  }
}

resource "hcloud_placement_group" "spread" {
  count = var.spread ? 1 : 0

  name   = "${var.cluster}-fixed"
  type   = "spread"
  labels = merge(local.labels, { role = "placement" })
}
