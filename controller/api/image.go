package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/provision"
)

// imageRoutes are the rows of the table about images that machines boot from, and about prices.
func (a *API) imageRoutes() []route {
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	return []route{
		{Method: get, Path: "/api/cloud/images", Permission: NodeRead, Handler: a.listImages, Summary: "The images that machines boot from quickly", Response: client.Page[client.Image]{}, Tag: "scaling", Query: []param{{"all", "boolean", "also those that were deleted lately"}}},
		{Method: post, Path: "/api/cloud/images", Permission: NodeAdmin, Handler: a.buildImage, Summary: "Make an image: a machine is rented for it, and deleted when it is done", Request: client.BuildImage{}, Response: client.Image{}, Status: http.StatusAccepted, Tag: "scaling"},
		{Method: get, Path: "/api/cloud/images/:name", Permission: NodeRead, Handler: a.showImage, Summary: "Show an image, by its id or the cloud's", Response: client.Image{}, Tag: "scaling"},
		{Method: del, Path: "/api/cloud/images/:name", Permission: NodeAdmin, Handler: a.deleteImage, Summary: "Delete an image, or end its making", Response: client.Image{}, Status: http.StatusAccepted, Tag: "scaling"},
		{Method: get, Path: "/api/cloud/prices", Permission: NodeRead, Handler: a.listPrices, Summary: "What can be rented, where, and what it costs", Response: client.Page[client.Price]{}, Tag: "scaling", Query: []param{{"location", "string", "only there"}}},
	}
}

func (a *API) listImages(c echo.Context, _ Actor) error {
	all, err := a.Nodes.Images(c.Request().Context(), boolQuery(c, "all"))
	if err != nil {
		return err
	}
	views := make([]client.Image, 0, len(all))
	for _, i := range all {
		views = append(views, imageView(i))
	}
	return c.JSON(http.StatusOK, toPage(views, ""))
}

func (a *API) showImage(c echo.Context, _ Actor) error {
	i, err := a.Nodes.Image(c.Request().Context(), c.Param("name"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, imageView(i))
}

func (a *API) buildImage(c echo.Context, actor Actor) error {
	var req client.BuildImage
	if err := decode(c, &req); err != nil {
		return err
	}
	i, err := a.Nodes.BuildImage(c.Request().Context(), actor.Name, provision.Wish{Arch: req.Arch, Type: req.Type, Location: req.Location, Games: req.Games})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, imageView(i))
}

func (a *API) deleteImage(c echo.Context, actor Actor) error {
	i, err := a.Nodes.DeleteImage(c.Request().Context(), actor.Name, c.Param("name"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, imageView(i))
}

// imageView is what an image looks like to people.
func imageView(i provision.Image) client.Image {
	v := client.Image{
		ID: i.ID, Image: i.Image, Arch: i.Arch, Phase: string(i.Phase), Explain: i.Explain(), Type: i.Type, Location: i.At, Base: i.Base, Builder: i.Name,
		Games: append([]string{}, i.Games...), DiskBytes: i.Disk, Bytes: i.Bytes, HourlyMicroEUR: int64(i.Hourly), By: i.By, Problem: problemView(i.Problem),
		Requested: i.OrderedAt, Ready: i.ReadyAt, Ended: i.EndedAt,
	}
	if i.Trouble != nil {
		v.Problem = problemView(i.Trouble)
	}
	if i.Phase == provision.ImageReady {
		v.Use = "SCALING_SPARE_IMAGE=" + i.Arch + "=" + i.Image
	}
	return v
}

func (a *API) listPrices(c echo.Context, _ Actor) error {
	cat, err := a.Nodes.Catalogue(c.Request().Context())
	if err != nil {
		return err
	}
	only, views := c.QueryParam("location"), []client.Price{}
	for _, t := range cat.Types {
		for _, o := range t.Offers {
			if only == "" || o.Location == only {
				views = append(views, client.Price{Type: t.Name, Arch: t.Arch, CPUs: t.CPUs, Dedicated: t.Dedicated, MemoryBytes: t.MemoryBytes, DiskBytes: t.DiskBytes, Location: o.Location,
					HourlyMicroEUR: int64(o.Hourly), MonthlyMicroEUR: int64(o.Monthly), InStock: o.InStock, Retired: t.Retired})
			}
		}
	}
	return c.JSON(http.StatusOK, toPage(views, ""))
}
