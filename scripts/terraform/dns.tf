# Records of their own kind (zone and name) stay as they are: only these three are ours.
locals {
  records = var.dns_zone == "" ? {} : merge(
    { (var.dns_control_plane) = hcloud_primary_ip.control_plane.ip_address },
    { for name in [var.dns_play, "*.${var.dns_play}"] : name => hcloud_primary_ip.edge[0].ip_address if var.edge },
  )
}

resource "hcloud_zone_rrset" "a" {
  for_each = local.records

  zone    = var.dns_zone
  name    = each.key
  type    = "A"
  ttl     = 300
  records = [{ value = each.value }]
  labels  = merge(local.labels, { role = "dns" })
}
