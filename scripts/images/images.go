// Package images holds the images that are built on the spot, without a container registry: testserver (a program of
// ours) and flying-squid (a real Minecraft server from npm). Its tests run both under the tenant's container profile.
package images
