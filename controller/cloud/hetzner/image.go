package hetzner

import (
	"context"
	"maps"
	"slices"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"github.com/payperplay/payperplay/controller/cloud"
)

// gigabyte is the unit of the provider's disks and images.
const gigabyte = 1_000_000_000

// Snapshot takes an image of a machine of the cluster. It is not Ready yet.
func (d *Driver) Snapshot(ctx context.Context, id, description string, labels map[string]string) (cloud.Image, error) {
	doing := "take an image of machine " + id
	s, err := d.ownServer(ctx, id, doing)
	if err != nil {
		return cloud.Image{}, err
	}
	opts := &hcloud.ServerCreateImageOpts{Type: hcloud.ImageTypeSnapshot, Description: &description, Labels: d.labels(labels, cloud.RoleImage)}
	made, err := ask(ctx, d, changing("create_image", doing), func(ctx context.Context) (hcloud.ServerCreateImageResult, *hcloud.Response, error) {
		return d.client.Server.CreateImage(ctx, s, opts)
	})
	if err != nil {
		return cloud.Image{}, err
	}
	if made.Image == nil || made.Image.ID == 0 {
		return cloud.Image{}, &cloud.Error{Kind: cloud.Uncertain, Message: "the provider was asked to " + doing + ", and its answer names none"}
	}
	return image(made.Image), nil
}

// Image reads one by its id, the provider's own included.
func (d *Driver) Image(ctx context.Context, id string) (cloud.Image, error) {
	i, err := d.image(ctx, id, "read image "+id)
	if err != nil {
		return cloud.Image{}, err
	}
	return image(i), nil
}

// Images lists the cluster's snapshots, newest first.
func (d *Driver) Images(ctx context.Context) ([]cloud.Image, error) {
	list, err := d.snapshots(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]cloud.Image, 0, len(list))
	for _, i := range list {
		out = append(out, image(i))
	}
	slices.SortStableFunc(out, func(a, b cloud.Image) int { return b.Created.Compare(a.Created) })
	return out, nil
}

func (d *Driver) snapshots(ctx context.Context) ([]*hcloud.Image, error) {
	list, err := all(ctx, d, reading("list_images", "list the images"), hcloud.ListOpts{LabelSelector: d.selector()}, func(ctx context.Context, o hcloud.ListOpts) ([]*hcloud.Image, *hcloud.Response, error) {
		return d.client.Image.List(ctx, hcloud.ImageListOpts{ListOpts: o, Type: []hcloud.ImageType{hcloud.ImageTypeSnapshot}, Sort: []string{"id:desc"}})
	})
	return kept(d, list, func(i *hcloud.Image) (int64, map[string]string) { return i.ID, i.Labels }), err
}

// DeleteImage ends a snapshot of the cluster. One that is gone is no error.
func (d *Driver) DeleteImage(ctx context.Context, id string) error {
	doing := "delete image " + id
	i, err := d.image(ctx, id, doing)
	switch {
	case err != nil:
		return unlessGone(err)
	case i.Type != hcloud.ImageTypeSnapshot || !d.ours(i.Labels):
		return foreign(doing)
	}
	_, err = ask(ctx, d, changing("delete_image", doing), func(ctx context.Context) (struct{}, *hcloud.Response, error) {
		resp, err := d.client.Image.Delete(ctx, i)
		return struct{}{}, resp, err
	})
	return unlessGone(err)
}

func (d *Driver) image(ctx context.Context, id, doing string) (*hcloud.Image, error) {
	n, ok := number(id)
	if !ok {
		return nil, missing("image " + id)
	}
	i, err := ask(ctx, d, reading("get_image", doing), func(ctx context.Context) (*hcloud.Image, *hcloud.Response, error) {
		return d.client.Image.GetByID(ctx, n)
	})
	if err == nil && (i == nil || i.IsDeleted()) {
		return nil, missing("image " + id)
	}
	return i, err
}

func image(i *hcloud.Image) cloud.Image {
	out := cloud.Image{
		ID: text(i.ID), Name: i.Name, Arch: arch(i.Architecture), Labels: maps.Clone(i.Labels), Created: i.Created.UTC(),
		Bytes: int64(float64(i.ImageSize) * gigabyte), Ready: i.Status == hcloud.ImageStatusAvailable,
	}
	if i.Type == hcloud.ImageTypeSnapshot || out.Name == "" {
		out.Name = i.Description
	}
	return out
}

// arch gives the name that Go has for an architecture; a new one keeps the provider's, and fits no program of ours.
func arch(a hcloud.Architecture) string {
	switch a {
	case hcloud.ArchitectureX86:
		return "amd64"
	case hcloud.ArchitectureARM:
		return "arm64"
	}
	return string(a)
}
