output "control_plane_ipv4" {
  description = "Public address of the control plane."
  value       = hcloud_primary_ip.control_plane.ip_address
}

output "advertise" {
  description = "HOST:PORT that agents dial."
  value       = local.advertise
}

output "endpoint" {
  description = "Web UI and API, for PAYPERPLAY_ENDPOINT; empty without ui_host."
  value       = var.ui_host == "" ? "" : "https://${var.ui_host}"
}

output "edge_ipv4" {
  description = "Public address that players connect to; null without an edge."
  value       = one(hcloud_primary_ip.edge[*].ip_address)
}

output "network_id" {
  description = "The private network."
  value       = hcloud_network.private.id
}

output "play_domain" {
  description = "Players join NAME below it; empty without dns_zone."
  value       = var.dns_zone == "" ? "" : "${var.dns_play}.${var.dns_zone}"
}
