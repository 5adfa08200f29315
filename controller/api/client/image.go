package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Image is a snapshot that machines boot from quickly, and how far its making is.
type Image struct {
	ID        string   `json:"id"`
	Image     string   `json:"image,omitempty"` // the cloud's id, once there is one
	Arch      string   `json:"arch"`
	Phase     string   `json:"phase"`         // ordering, building, snapshotting, cleaning, ready, failed, deleting, deleted
	Explain   string   `json:"explain"`       // in plain words
	Use       string   `json:"use,omitempty"` // the setting that has machines boot from it
	Type      string   `json:"type"`          // of the machine that it is made with
	Location  string   `json:"location"`
	Base      string   `json:"base"`    // the image that this machine boots from
	Builder   string   `json:"builder"` // name of this machine
	Games     []string `json:"game_images"`
	DiskBytes int64    `json:"disk_bytes"` // the least that a machine needs which boots from it
	Bytes     int64    `json:"bytes,omitempty"`

	HourlyMicroEUR int64     `json:"hourly_micro_eur"` // of the builder
	By             string    `json:"by"`
	Problem        *Problem  `json:"problem,omitempty"`
	Requested      time.Time `json:"requested_at"`
	Ready          time.Time `json:"ready_at,omitzero"`
	Ended          time.Time `json:"ended_at,omitzero"`
}

// BuildImage says what image is wanted. What is left out is chosen.
type BuildImage struct {
	Arch     string   `json:"arch,omitempty"`     // amd64, arm64
	Type     string   `json:"type,omitempty"`     // of the machine that it is made with; machines need as much disk as this one
	Location string   `json:"location,omitempty"` //
	Games    []string `json:"game_images"`        // container images that are pulled into it
}

// Price is what a type of machine costs at a place, net of VAT, with its public address.
type Price struct {
	Type            string `json:"type"`
	Arch            string `json:"arch"`
	CPUs            int    `json:"cpus"`
	Dedicated       bool   `json:"dedicated"`
	MemoryBytes     int64  `json:"memory_bytes"`
	DiskBytes       int64  `json:"disk_bytes"`
	Location        string `json:"location"`
	HourlyMicroEUR  int64  `json:"hourly_micro_eur"`
	MonthlyMicroEUR int64  `json:"monthly_micro_eur"` // never more than this in a month; 0 = no such bound
	InStock         bool   `json:"in_stock"`
	Retired         bool   `json:"retired"`
}

// Images lists the images that are there or on their way, and those that failed; with all also those that were deleted lately.
func (c *Client) Images(ctx context.Context, all bool) ([]Image, error) {
	q := url.Values{"limit": {"500"}}
	if all {
		q.Set("all", "true")
	}
	return list[Image](ctx, c, "/api/cloud/images", q)
}

// Image gives one by its id or the cloud's.
func (c *Client) Image(ctx context.Context, id string) (Image, error) {
	var i Image
	return i, c.do(ctx, call{method: http.MethodGet, path: "/api/cloud/images/" + segment(id)}, &i)
}

// BuildImage has one made.
func (c *Client) BuildImage(ctx context.Context, how BuildImage) (Image, error) {
	var i Image
	return i, c.do(ctx, call{method: http.MethodPost, path: "/api/cloud/images", body: how}, &i)
}

// DeleteImage has one deleted, or its making ended.
func (c *Client) DeleteImage(ctx context.Context, id string) (Image, error) {
	var i Image
	return i, c.do(ctx, call{method: http.MethodDelete, path: "/api/cloud/images/" + segment(id)}, &i)
}

// Prices lists what can be rented.
func (c *Client) Prices(ctx context.Context, location string) ([]Price, error) {
	q := url.Values{"limit": {"500"}}
	if location != "" {
		q.Set("location", location)
	}
	return list[Price](ctx, c, "/api/cloud/prices", q)
}
