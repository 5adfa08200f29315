package fakehetzner

import (
	"net/http"
	"strings"
)

// routes is all that the fake answers; anything else is not found, as an error of the API.
func (c *Cloud) routes() *http.ServeMux {
	mux := http.NewServeMux()
	on := func(pattern string, w work) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" /v1"+path, c.serve(pattern, w))
	}
	kinds(c, on)
	c.serverRoutes(on)
	on("GET /images", c.listImages)
	on("GET /images/{id}", getter(c, c.images))
	on("PUT /images/{id}", c.updateImage)
	on("DELETE /images/{id}", dropper(c, c.images, c.keepSystems))
	on("POST /images/{id}/actions/change_protection", protector(c, c.images))
	on("POST /networks", c.createNetwork)
	on("POST /networks/{id}/actions/add_subnet", c.addSubnet)
	on("POST /networks/{id}/actions/change_protection", protector(c, c.networks))
	on("POST /firewalls", c.createFirewall)
	on("POST /firewalls/{id}/actions/set_rules", c.onFirewall(c.setRules))
	on("POST /firewalls/{id}/actions/apply_to_resources", c.onFirewall(c.apply))
	on("POST /firewalls/{id}/actions/remove_from_resources", c.onFirewall(c.unapply))
	on("POST /placement_groups", c.createGroup)
	on("GET /primary_ips", c.listPrimaryIPs)
	on("POST /primary_ips", c.createPrimaryIP)
	on("POST /primary_ips/{id}/actions/assign", c.assignPrimaryIP)
	on("POST /primary_ips/{id}/actions/unassign", c.unassignPrimaryIP)
	on("POST /primary_ips/{id}/actions/change_protection", protector(c, c.primaryIPs))
	on("GET /volumes", c.listVolumes)
	on("POST /volumes", c.createVolume)
	on("POST /volumes/{id}/actions/attach", c.attachVolume)
	on("POST /volumes/{id}/actions/detach", c.detachVolume)
	on("POST /volumes/{id}/actions/change_protection", protector(c, c.volumes))
	on("GET /ssh_keys", c.listKeys)
	on("POST /ssh_keys", c.createKey)
	on("GET /actions", c.listActions)
	on("GET /actions/{id}", c.getAction)
	on("GET /pricing", c.pricing)
	c.fixedRoutes(on)
	mux.Handle("/v1/", c.serve("", func(r *call) (reply, error) {
		return reply{}, refuse(http.StatusNotFound, "not_found", "there is no %s", r.path)
	}))
	c.adminRoutes(mux)
	return mux
}

// kinds is what all kinds of things have alike.
func kinds(c *Cloud, on func(string, work)) {
	on("GET /networks", lister(c, c.networks))
	on("GET /networks/{id}", getter(c, c.networks))
	on("PUT /networks/{id}", changer(c, c.networks))
	on("DELETE /networks/{id}", dropper(c, c.networks, c.networkFree))
	on("GET /firewalls", lister(c, c.firewalls))
	on("GET /firewalls/{id}", getter(c, c.firewalls))
	on("PUT /firewalls/{id}", changer(c, c.firewalls))
	on("DELETE /firewalls/{id}", dropper(c, c.firewalls, c.firewallFree))
	on("GET /placement_groups", lister(c, c.groups))
	on("GET /placement_groups/{id}", getter(c, c.groups))
	on("PUT /placement_groups/{id}", changer(c, c.groups))
	on("DELETE /placement_groups/{id}", dropper(c, c.groups, c.groupFree))
	on("GET /primary_ips/{id}", getter(c, c.primaryIPs))
	on("PUT /primary_ips/{id}", changer(c, c.primaryIPs))
	on("DELETE /primary_ips/{id}", dropper(c, c.primaryIPs, c.addressFree))
	on("GET /volumes/{id}", getter(c, c.volumes))
	on("PUT /volumes/{id}", changer(c, c.volumes))
	on("DELETE /volumes/{id}", dropper(c, c.volumes, c.volumeFree))
	on("GET /ssh_keys/{id}", getter(c, c.sshKeys))
	on("PUT /ssh_keys/{id}", changer(c, c.sshKeys))
	on("DELETE /ssh_keys/{id}", dropper(c, c.sshKeys, nil))
	for many, one := range map[string]string{
		"servers": "server", "images": "image", "networks": "network", "firewalls": "firewall", "primary_ips": "primary_ip", "volumes": "volume",
	} {
		list, single := c.actionsOf(one)
		on("GET /"+many+"/{id}/actions", list)
		on("GET /"+many+"/{id}/actions/{action_id}", single)
	}
}

func (c *Cloud) serverRoutes(on func(string, work)) {
	on("GET /servers", c.listServers)
	on("POST /servers", c.createServer)
	on("GET /servers/{id}", getter(c, c.servers))
	on("PUT /servers/{id}", c.updateServer)
	on("DELETE /servers/{id}", c.deleteServer)
	for name, do := range map[string]func(*call, *server) (reply, error){
		"poweron": c.powerOn, "poweroff": c.powerOff("stop_server"), "shutdown": c.powerOff("shutdown_server"), "reset": c.restart("reset_server"),
		"reboot": c.restart("reboot_server"), "create_image": c.createImage, "attach_to_network": c.attachToNetwork,
		"detach_from_network": c.detachFromNetwork, "change_protection": c.protectServer, "add_to_placement_group": c.joinGroup,
		"remove_from_placement_group": c.leaveGroup,
	} {
		on("POST /servers/{id}/actions/"+name, c.onServer(do))
	}
}

func (c *Cloud) fixedRoutes(on func(string, work)) {
	for many, k := range map[string]struct {
		one  string
		rows func() []obj
	}{
		"server_types": {"server_type", c.typeRows}, "locations": {"location", c.locationRows}, "datacenters": {"datacenter", c.centreRows},
	} {
		on("GET /"+many, func(r *call) (reply, error) {
			out, err := fixed(r, many, k.rows())
			if err == nil && many == "datacenters" {
				out.body["recommendation"] = 4
			}
			return out, err
		})
		on("GET /"+many+"/{id}", func(r *call) (reply, error) { return oneOf(r, k.one, k.rows()) })
	}
	on("GET /isos", func(r *call) (reply, error) { return fixed(r, "isos", nil) })
	on("GET /load_balancers", func(r *call) (reply, error) { return fixed(r, "load_balancers", nil) })
	on("GET /floating_ips", func(r *call) (reply, error) { return fixed(r, "floating_ips", nil) })
	on("GET /certificates", func(r *call) (reply, error) { return fixed(r, "certificates", nil) })
}
